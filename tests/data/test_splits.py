import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.splits import SPLITS, hash_split


def test_position_is_the_hash_of_seed_and_group() -> None:
    groups = [f"Q{number}" for number in range(200)]
    fractions = [
        int(hashlib.blake2b(f"7:{group}".encode(), digest_size=8).hexdigest(), 16) / 2**64 for group in groups
    ]
    expected = [0 if x < 0.8 else 1 if x < 0.9 else 2 for x in fractions]
    assert hash_split(groups, seed=7).tolist() == expected


def test_published_assignments_never_move() -> None:
    assert hash_split(["Q64", "Q90", "Q84", "Q1899", "Q23178"], ratios=(0.5, 0.5), seed=1).tolist() == [0, 1, 0, 0, 0]


@given(st.lists(st.text(max_size=8), max_size=30), st.integers(0, 5), st.randoms())
def test_rows_of_a_group_stay_together_wherever_they_stand(groups: list[str], seed: int, random: object) -> None:
    rows = groups * 2
    random.shuffle(rows)  # type: ignore[attr-defined]
    together: dict[str, set[int]] = {}
    for group, split in zip(rows, hash_split(rows, seed=seed), strict=True):
        together.setdefault(group, set()).add(int(split))
    assert all(len(splits) == 1 for splits in together.values())
    assert {group: {int(hash_split([group], seed=seed)[0])} for group in together} == together


def test_shares_come_close_to_the_ratios() -> None:
    counts = np.bincount(hash_split(range(20_000)), minlength=len(SPLITS)) / 20_000
    np.testing.assert_allclose(counts, (0.8, 0.1, 0.1), atol=0.01)
    assert (hash_split(range(100), ratios=(0.0, 1.0, 0.0)) == 1).all()


def test_another_seed_draws_another_split() -> None:
    assert (hash_split(range(1000), seed=0) != hash_split(range(1000), seed=1)).any()


@pytest.mark.parametrize("ratios", [(0.8, 0.1), (1.2, -0.2), (0.5, 0.5, 0.5)])
def test_ratios_that_do_not_sum_to_one_are_refused(ratios: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"ratios must be positive and sum to 1, got \("):
        hash_split([1], ratios=ratios)
