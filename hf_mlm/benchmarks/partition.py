"""The partition of as many real places as MLM has, whole: ids, quadtree, and the places' cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from hf_mlm.benchmarks.harness import Report
from hf_mlm.benchmarks.s2 import PLACES, peer_ids, settlements
from hf_mlm.geo.partition import GeoCellPartition


PEER_PLACES, LEVELS = 4000, 10


def run(report: Report, sizes: Sequence[int]) -> None:
    """Compare with s2sphere's ids, which any partition by it starts from; then fit, assign, growth and floor."""
    for size in sizes or [PLACES]:
        places = settlements(size)
        few = min(size, PEER_PLACES)
        report.compare(
            f"fit and assign, {size:,} places",
            partial(whole, *places),
            partial(peer_levels, places[0][:few], places[1][:few]),
            peer_name=f"s2sphere, the places' cells at {LEVELS} levels alone",
            equal=lambda ours, peer: bool(within(ours, peer).all()),
            items=size,
            peer_items=few,
            target="≤ 0.5 s",
        )
        report.measure(f"fit, {size:,} places", partial(GeoCellPartition.fit, *places), items=size)
    first = (sizes or [PLACES])[0]
    report.grow("places", whole_of, [max(500, first // 8) * factor for factor in (1, 2, 4, 8)])
    both = np.stack(settlements(first))
    report.floor(f"fit and assign, {first:,} places", whole_of(first), both.copy, "a copy of the coordinates")


def whole(latitudes: np.ndarray, longitudes: np.ndarray) -> tuple[GeoCellPartition, np.ndarray]:
    """Fit a partition and give each place its cell."""
    partition = GeoCellPartition.fit(latitudes, longitudes)
    return partition, partition.assign(latitudes, longitudes)


def whole_of(size: int) -> Callable[[], object]:
    """The same for so many settlements."""
    places = settlements(size)
    return lambda: whole(*places)


def peer_levels(latitudes: np.ndarray, longitudes: np.ndarray) -> list[list[int]]:
    """Cells of places by s2sphere, (levels, places)."""
    return [peer_ids(latitudes, longitudes, level) for level in range(1, LEVELS + 1)]


def within(ours: tuple[GeoCellPartition, np.ndarray], peer: list[list[int]]) -> np.ndarray:
    """Whether each place has that of the peer's cells which the partition has, or none if it has none: bool (places,).

    A place in a larger or smaller cell than the peer's has none of them.
    """
    partition, assigned = ours
    assigned = assigned[: len(peer[0])]
    theirs = np.array(peer, np.uint64)  # (levels, places)
    row = np.searchsorted(partition.cell_ids, theirs).clip(max=len(partition) - 1)
    expected = np.where(partition.cell_ids[row] == theirs, row, -1).max(axis=0)  # (places,)
    level = partition.levels[assigned]
    return expected == np.where((level >= 1) & (level <= LEVELS), assigned, -1)


def hot() -> Callable[[], object]:
    """Fit and assign for all places of MLM."""
    return whole_of(PLACES)
