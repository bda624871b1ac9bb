"""The adaptive quadtree of MLM §3.3.5: which S2 cells hold neither too many places nor too few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hf_mlm.geo import s2


IdArray = NDArray[np.uint64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Rule:
    """Where splitting starts and ends, and which sparse cells go."""

    first_level: int
    last_level: int
    drops_equal: bool  # whether a cell with exactly min_entities goes


RULES = {
    "paper": Rule(first_level=0, last_level=s2.MAX_LEVEL, drops_equal=False),
    "authors": Rule(first_level=2, last_level=10, drops_equal=True),
}


def split(leaves: IdArray, max_entities: int, min_entities: int, rule: Rule) -> tuple[IdArray, IntArray]:
    """Split crowded cells level by level, then drop the sparse and the empty ones.

    The places are sorted once; a cell is then a run of them, and its population two binary searches. The published
    code drops sparse cells before the splitting too, which changes nothing: they are not split, and go at the end.

    Args:
        leaves: (N,) ascending ids of level 30, one for each place.
        max_entities: a cell with more is split, unless it is of the rule's last level.
        min_entities: a cell with fewer is dropped.
        rule: one of `RULES`.

    Returns:
        Ids in ascending order and populations of the cells that stay, both (C,).
    """
    cells = s2.FACES
    for _ in range(rule.first_level):
        cells = s2.children(cells).ravel()
    counts = _populations(leaves, cells)
    done: list[tuple[IdArray, IntArray]] = []
    for level in range(rule.first_level, rule.last_level + 1):
        stays = (counts <= max_entities) | (level == rule.last_level)
        done.append((cells[stays], counts[stays]))
        cells = s2.children(cells[~stays]).ravel()
        counts = _populations(leaves, cells)

    cells, counts = (np.concatenate(column) for column in zip(*done, strict=True))
    order = np.argsort(cells)
    order = order[counts[order] >= max(min_entities + rule.drops_equal, 1)]
    return cells[order], counts[order]


def _populations(leaves: IdArray, cells: IdArray) -> IntArray:
    first, last = s2.ranges(cells)
    return np.searchsorted(leaves, last, side="right") - np.searchsorted(leaves, first, side="left")
