"""s2sphere as the oracle, and the places where S2 code goes wrong."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from s2sphere import Cell, CellId, LatLng


def _cell(latitude: float, longitude: float) -> CellId:
    return CellId.from_lat_lng(LatLng.from_degrees(latitude, longitude))


def _ids(latitudes, longitudes, level: int = 30) -> np.ndarray:
    places = zip(np.asarray(latitudes, float).tolist(), np.asarray(longitudes, float).tolist(), strict=True)
    return np.array([_cell(*place).parent(level).id() for place in places], np.uint64)


def _sample(uniform: int, borders: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Uniform places, half of them with five decimals as gazetteers have, and the corners of cells of every level."""
    rng = np.random.default_rng(seed)
    latitudes, longitudes = np.degrees(np.arcsin(rng.uniform(-1, 1, uniform))), rng.uniform(-180, 180, uniform)
    latitudes[::2], longitudes[::2] = latitudes[::2].round(5), longitudes[::2].round(5)
    cells = [
        _cell(*latlng) for latlng in zip(latitudes[:borders].tolist(), longitudes[:borders].tolist(), strict=True)
    ]
    levels, vertices = rng.integers(0, 31, borders).tolist(), rng.integers(0, 4, borders).tolist()
    corners = [
        LatLng.from_point(Cell(cell.parent(level)).get_vertex(vertex))
        for cell, level, vertex in zip(cells, levels, vertices, strict=True)
    ]
    return (
        np.concatenate([latitudes, [corner.lat().degrees for corner in corners]]),
        np.concatenate([longitudes, [corner.lng().degrees for corner in corners]]),
    )


def _with_neighbours(values: list[float], bound: float) -> list[float]:
    """Each value of both signs with the floating-point numbers next to it, as far as they are on the earth."""
    near = {float(x) for value in values for x in (value, np.nextafter(value, -1), np.nextafter(value, 999))}
    return [sign * x for x in sorted(near) if 0 <= x <= bound for sign in (1.0, -1.0)]


@pytest.fixture(scope="session")
def reference_ids() -> Callable[..., np.ndarray]:
    """``reference_ids(latitudes, longitudes, level=30)`` by s2sphere."""
    return _ids


@pytest.fixture(scope="session")
def sample_places() -> Callable[[int, int, int], tuple[np.ndarray, np.ndarray]]:
    return _sample


@pytest.fixture(scope="session")
def odd_places() -> tuple[np.ndarray, np.ndarray]:
    """Poles, antimeridian, 0/0, edges and corners of the cube's faces, each with its neighbours."""
    corner = float(np.degrees(np.arctan(np.sqrt(0.5))))  # latitude of the cube's corners
    latitudes = _with_neighbours([0.0, corner, 45.0, 90.0, 1e-300, 1e-9, 30.0], 90.0)
    longitudes = _with_neighbours([0.0, 45.0, 90.0, 135.0, 180.0, 1e-300, 1e-9, 60.0], 180.0)
    pairs = np.array(list(product(latitudes, longitudes)))
    return pairs[:, 0], pairs[:, 1]
