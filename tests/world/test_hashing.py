import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.world.hashing import hashed, uniform


WORD = 2**64


def splitmix64(state: int) -> int:
    """One step of SplitMix64 in unbounded integers, as its authors give it."""
    state = (state + 0x9E3779B97F4A7C15) % WORD
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % WORD
    return state ^ (state >> 31)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=20))
def test_equals_splitmix64_in_unbounded_integers(ids):
    got = hashed(np.array(ids), "anything").tolist()
    salt = next(s for s in [_salt(ids[0], got[0])])
    assert got == [splitmix64(i ^ salt) for i in ids]


def _salt(number: int, result: int) -> int:
    """The salt that leads from a number to its hash: SplitMix64 run backwards."""
    result ^= result >> 31 ^ result >> 62
    result = result * pow(0x94D049BB133111EB, -1, WORD) % WORD
    result ^= result >> 27 ^ result >> 54
    result = result * pow(0xBF58476D1CE4E5B9, -1, WORD) % WORD
    result ^= result >> 30 ^ result >> 60
    return (result - 0x9E3779B97F4A7C15) % WORD ^ number


def test_purposes_and_seeds_give_unrelated_numbers():
    ids = np.arange(20_000)
    draws = [uniform(ids, "a"), uniform(ids, "b"), uniform(ids, "a", seed=1)]
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 0.03


def test_uniform_fills_the_open_interval_evenly():
    draws = uniform(np.arange(100_000), "evenness")
    assert draws.min() > 0 and draws.max() < 1
    counts = np.histogram(draws, bins=10, range=(0, 1))[0]
    assert np.abs(counts - 10_000).max() < 500  # five standard deviations
