import numpy as np
import pytest

from hf_mlm.world.shores import INLAND, LAKE, SEA, land_sea_mask, shores


def test_looks_at_the_nine_cells_around_each_place():
    mask = np.random.default_rng(1).choice([1, 1, 1, 1, 1, 1, 1, 0, 2], size=(18, 36)).astype(np.int8)  # ten degrees
    rng = np.random.default_rng(2)
    latitudes, longitudes = rng.uniform(-90, 90, 500), rng.uniform(-180, 180, 500)
    for latitude, longitude, shore in zip(latitudes, longitudes, shores(mask, latitudes, longitudes), strict=True):
        row, column = int((latitude + 90) // 10), int((longitude + 180) // 10)
        near = {
            mask[r, c % 36] for r in range(max(row - 1, 0), min(row + 2, 18)) for c in range(column - 1, column + 2)
        }
        assert shore == (SEA if 0 in near else LAKE if 2 in near else INLAND)


def test_poles_and_antimeridian_are_places_too():
    mask = np.ones((18, 36), dtype=np.int8)
    mask[9, 0] = 0
    got = shores(mask, np.array([90.0, -90.0, 5.0, 5.0]), np.array([0.0, 0.0, 180.0, 179.0]))
    assert got.tolist() == [INLAND, INLAND, SEA, SEA]


@pytest.mark.real
def test_knows_ports_lakesides_and_inland_towns(demo_packages):
    towns = {
        "Nice": (43.703, 7.266, SEA),
        "Valparaíso": (-33.036, -71.63, SEA),
        "Lausanne": (46.516, 6.633, LAKE),
        "Kisumu": (-0.102, 34.762, LAKE),
        "Ulaanbaatar": (47.908, 106.883, INLAND),
        "Manaus": (-3.102, -60.025, INLAND),
    }
    latitudes, longitudes, expected = zip(*towns.values(), strict=True)
    assert shores(land_sea_mask(), np.array(latitudes), np.array(longitudes)).tolist() == list(expected)
