"""The quadtree against the procedures as the paper and the published code describe them, one place at a time."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from s2sphere import CellId

from hf_mlm.geo import quadtree


def by_the_paper(places: list[CellId], most: int, fewest: int) -> dict[int, int]:
    def visit(inside: list[CellId], level: int) -> dict[int, int]:
        cells: dict[int, int] = {}
        for cell, count in Counter(place.parent(level).id() for place in inside).items():
            if count > most and level < 30:
                cells |= visit([place for place in inside if place.parent(level).id() == cell], level + 1)
            elif count >= fewest:
                cells[cell] = count
        return cells

    return visit(places, 0)


def by_the_authors(places: list[CellId], most: int, fewest: int) -> dict[int, int]:
    cell_of = [place.parent(2).id() for place in places]
    keep = {cell for cell, count in Counter(cell_of).items() if count > fewest}
    kept = [(place, cell) for place, cell in zip(places, cell_of, strict=True) if cell in keep]
    level = 2
    while level < 10 and max(Counter(cell for _, cell in kept).values(), default=0) > most:
        counts = Counter(cell for _, cell in kept)
        level += 1
        kept = [(place, place.parent(level).id() if counts[cell] > most else cell) for place, cell in kept]
    return {cell: count for cell, count in Counter(cell for _, cell in kept).items() if count > fewest}


def clustered_leaves(seed: int, count: int) -> np.ndarray:
    """Leaves within nested neighbourhoods, some of them repeated, so that every level is reached."""
    rng = np.random.default_rng(seed)
    hearts = rng.integers(0, 6 << 60, 4)
    spread = rng.integers(0, 1 << 60, count) >> rng.integers(0, 61, count)
    ids = np.clip(hearts[rng.integers(0, 4, count)] ^ spread, 0, (6 << 60) - 1).astype(np.uint64)
    ids = (ids << np.uint64(1)) | np.uint64(1)
    return np.sort(np.concatenate([ids, np.repeat(ids[:2], 30)]))


@pytest.mark.parametrize(("rule", "procedure"), [("paper", by_the_paper), ("authors", by_the_authors)])
@given(seed=st.integers(0, 10**6), count=st.integers(0, 300), most=st.integers(1, 40), fewest=st.integers(0, 40))
def test_split_equals_the_procedure_one_place_at_a_time(rule, procedure, seed, count, most, fewest):
    leaves = clustered_leaves(seed, count)
    cells, counts = quadtree.split(leaves, most, fewest, quadtree.RULES[rule])
    assert cells.tolist() == sorted(cells.tolist())
    expected = procedure([CellId(int(leaf)) for leaf in leaves], most, fewest)
    assert dict(zip(cells.tolist(), counts.tolist(), strict=True)) == expected


def test_the_rules_differ_where_the_code_departs_from_the_paper():
    """20 places in one spot: the paper keeps a cell of 20, the code drops it; 600 in one spot: level 30 against 10."""
    twenty, crowd = np.full(20, 1, np.uint64), np.full(600, 1, np.uint64)
    outcome = {
        rule: [quadtree.split(leaves, 500, 20, quadtree.RULES[rule]) for leaves in (twenty, crowd)]
        for rule in ("paper", "authors")
    }
    assert [counts.tolist() for _, counts in outcome["paper"]] == [[20], [600]]
    assert [counts.tolist() for _, counts in outcome["authors"]] == [[], [600]]
    assert [CellId(int(outcome[rule][1][0][0])).level() for rule in outcome] == [30, 10]
