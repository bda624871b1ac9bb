"""Steps down the class tree, against a search that goes edge by edge."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.mlm.classes import distances


EDGES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40)


@given(EDGES, st.sets(st.integers(0, 12), min_size=1, max_size=2), st.integers(0, 5))
def test_distances(edges: list[tuple[int, int]], base: set[int], hops: int) -> None:
    expected = dict.fromkeys(base, 0)
    for _ in range(hops):  # Bellman and Ford
        for child, parent in edges * 2:
            if parent in expected and expected[parent] < hops:
                expected[child] = min(expected.get(child, 99), expected[parent] + 1)
    children, parents = np.array(edges, np.int64).reshape(-1, 2).T
    assert distances(children, parents, np.array(sorted(base)), hops) == expected
