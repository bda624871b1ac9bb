import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mlm.geo.density import EARTH_AREA_KM2, SphereDensity, to_degrees, unit_vectors
from hf_mlm.geo.distance import great_circle_distance


def sphere(count: int = 60_000) -> np.ndarray:
    """Points that are spread evenly (Fibonacci), (count, 3)."""
    steps = np.arange(count) + 0.5
    height, turn = 1 - 2 * steps / count, np.pi * (1 + 5**0.5) * steps
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)


GRID = sphere()


def mixture(seed: int, bandwidth: float = 400.0, rows: int = 3, background: float = 0.1) -> SphereDensity:
    rng = np.random.default_rng(seed)
    latitudes, longitudes = rng.uniform(-80, 80, (rows, 4)), rng.uniform(-180, 180, (rows, 4))
    return SphereDensity.from_points(latitudes, longitudes, rng.random((rows, 4)), bandwidth, background)


def on_grid(density: SphereDensity) -> np.ndarray:
    return np.exp(density.log_density(GRID[None]))  # (N, points) per steradian


@settings(max_examples=10)
@given(st.integers(0, 999), st.sampled_from([300.0, 1000.0, 5000.0]))
def test_a_density_has_mass_one(seed: int, bandwidth: float) -> None:
    assert on_grid(mixture(seed, bandwidth)).mean(axis=1) * 4 * np.pi == pytest.approx(1, rel=1e-3)


@settings(max_examples=10)
@given(st.integers(0, 999))
def test_a_product_is_that_of_all_points_normalised(seed: int) -> None:
    one, other = mixture(seed), mixture(seed + 1, bandwidth=700.0)
    expected = on_grid(one) * on_grid(other)
    expected /= expected.mean(axis=1, keepdims=True) * 4 * np.pi
    assert np.abs(on_grid(one * other) - expected).max() < 1e-2 * expected.max()


def test_narrow_kernels_keep_their_digits_in_a_product() -> None:
    one, other = (SphereDensity.from_points([[48.2]], [[longitude]], [[1.0]], 0.5) for longitude in (16.37, 16.38))
    latitude, longitude = (one * other).mode()
    assert (latitude.item(), longitude.item()) == pytest.approx((48.2, 16.375), abs=1e-4)


@settings(max_examples=10)
@given(st.integers(0, 999))
def test_no_point_is_higher_than_the_mode(seed: int) -> None:
    density = mixture(seed)
    highest = np.exp(density.log_density(unit_vectors(*density.mode())[:, None]))[:, 0]
    assert (highest >= on_grid(density).max(axis=1) * (1 - 1e-3)).all()


def test_the_spread_is_the_mean_distance() -> None:
    density, (latitudes, longitudes) = mixture(3), (np.array([0.0, 50.0, -70.0]), np.array([179.0, 10.0, -100.0]))
    distances = great_circle_distance(latitudes[:, None], longitudes[:, None], *to_degrees(GRID))
    expected = (on_grid(density) * distances).mean(axis=1) * 4 * np.pi
    assert density.spread_km(latitudes, longitudes) == pytest.approx(expected, rel=0.06)


def test_the_area_is_that_of_the_points_as_probable() -> None:
    density = mixture(5, bandwidth=600.0)
    latitudes, longitudes = density.mode()
    latitudes = latitudes + np.array([4.0, 12.0, 40.0])
    own = np.exp(density.log_density(unit_vectors(latitudes, longitudes)[:, None]))
    expected = (on_grid(density) >= own).mean(axis=1) * EARTH_AREA_KM2
    assert density.areas_km2(latitudes, longitudes, samples=20_000) == pytest.approx(expected, rel=0.15)


def test_without_a_kernel_every_place_is_alike() -> None:
    density = SphereDensity.from_points([[0.0]], [[0.0]], [[1.0]], 100.0, background=[1.0])
    assert np.allclose(on_grid(density), 1 / (4 * np.pi))
    assert density.areas_km2([10.0], [10.0]).item() == pytest.approx(EARTH_AREA_KM2)
