import random
import time
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.checks.near_duplicates import nearest


SETS = st.lists(st.frozensets(st.sampled_from("abcdefgh")), max_size=12)


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


@given(SETS, SETS, st.sampled_from([0.2, 0.5, 2 / 3, 0.75, 0.8, 1.0]))
def test_it_finds_what_comparing_everything_finds(sets: list, queries: list, threshold: float) -> None:
    expected = []
    for query, elements in enumerate(queries):
        similarities = [jaccard(elements, other) for other in sets]
        best = max(similarities, default=0.0)
        if best >= threshold:
            expected.append((query, similarities.index(best), best))
    assert nearest(sets, queries, threshold) == expected


def test_twenty_thousand_sets_take_seconds() -> None:
    """Comparing everything would be 400 million comparisons, which take minutes."""
    draw = random.Random(0)
    words = [f"w{number}" for number in range(20_000)]
    weights = list(accumulate(1 / (number + 10) for number in range(20_000)))
    sets = [frozenset(draw.choices(words, cum_weights=weights, k=16)) for _ in range(20_000)]
    changed = [frozenset([*sorted(elements)[1:], "new"]) for elements in sets]
    start = time.process_time()
    matches = nearest(sets, changed, 0.8)
    assert time.process_time() - start < 10
    assert [match.query for match in matches] == [match.neighbour for match in matches] == list(range(20_000))


@pytest.mark.parametrize("threshold", [0.0, 1.1, -1.0])
def test_thresholds_that_mean_nothing_are_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=f"threshold={threshold}: a similarity is above 0 and at most 1"):
        nearest([], [], threshold)
