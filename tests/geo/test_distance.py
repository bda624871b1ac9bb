import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from s2sphere import LatLng

from hf_mlm.geo.distance import EARTH_RADIUS_KM, great_circle_distance, spherical_mean


PLACE = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


def s2sphere_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    return LatLng.from_degrees(*a).get_distance(LatLng.from_degrees(*b)).radians * EARTH_RADIUS_KM


def unit_vector(place: tuple[float, float]) -> np.ndarray:
    return np.array(list(LatLng.from_degrees(*place).to_point()))


@given(PLACE, PLACE)
def test_distance_equals_s2sphere_and_is_symmetric(a, b):
    distance = great_circle_distance(*a, *b)
    assert distance == pytest.approx(s2sphere_km(a, b), rel=1e-12, abs=1e-3)  # km; a metre only between antipodes
    assert distance == great_circle_distance(*b, *a)
    assert great_circle_distance(*a, *a) == 0


def test_known_distances():
    quarter, half = math.pi / 2 * EARTH_RADIUS_KM, math.pi * EARTH_RADIUS_KM
    assert great_circle_distance([0, 90, 0, 0], [0, 0, 0, 179], [0, -90, 90, 0], [90, 0, 45, -179]) == pytest.approx(
        [quarter, half, quarter, 2 / 180 * half]
    )
    assert great_circle_distance(48.8566, 2.3522, 51.5074, -0.1278) == pytest.approx(343.56, abs=0.01)  # Paris, London


def test_distance_broadcasts_and_passes_nan_on():
    latitudes, longitudes = np.zeros((4, 1)), np.arange(4.0)[:, None]
    distances = great_circle_distance(latitudes, longitudes, 0.0, [0.0, 1.0, np.nan])
    assert distances.shape == (4, 3)
    assert np.isnan(distances).tolist() == [[False, False, True]] * 4
    assert great_circle_distance(0, 181, 0, -179) == pytest.approx(0, abs=1e-9)


@given(st.lists(PLACE, min_size=1, max_size=10), st.integers(0, 5))
def test_mean_points_where_the_vectors_sum(places, seed):
    weights = np.random.default_rng(seed).uniform(0.1, 9, len(places))
    total = sum(w * unit_vector(p) for w, p in zip(weights, places, strict=True)) / weights.sum()
    if np.linalg.norm(total) < 1e-6:
        return
    mean = spherical_mean(*zip(*places, strict=True), weights)
    assert np.abs(unit_vector(mean) - total / np.linalg.norm(total)).max() < 1e-9


def test_mean_across_the_antimeridian_and_around_a_pole():
    latitude, longitude = spherical_mean([-17.0, -17.0], [178.0, -176.0])
    assert (latitude, longitude) == pytest.approx((-17.02, -179.0), abs=0.03)
    assert spherical_mean([80.0] * 4, [0.0, 90.0, 180.0, -90.0])[0] == pytest.approx(90)
    assert spherical_mean([0.0, 0.0, 50.0], [0.0, 90.0, 50.0], [1, 1, 0]) == pytest.approx((0, 45))
    assert spherical_mean([0.0, 0.0], [0.0, 90.0], [1e308, 1e308]) == pytest.approx((0, 45))


@pytest.mark.parametrize(
    ("latitudes", "longitudes", "weights", "sentence"),
    [
        ([], [], None, "at least one place"),
        ([0.0, 0.0], [0.0, 180.0], None, "The 2 places balance out around the globe"),
        ([0.0, 0.0, 0.0], [0.0, 120.0, -120.0], None, "balance out"),
        ([91.0], [0.0], None, "Row 0 is off the earth"),
        ([1.0, 2.0], [0.0, 0.0], [1.0], r"2 finite numbers .* shape \(1,\)"),
        ([1.0, 2.0], [0.0, 0.0], [1.0, -1.0], r"values \[ 1. -1.\]"),
        ([1.0, 2.0], [0.0, 0.0], [0.0, 0.0], "one of them above"),
        ([1.0], [0.0], [float("nan")], "finite"),
    ],
)
def test_means_that_do_not_exist_are_explained(latitudes, longitudes, weights, sentence):
    with pytest.raises(ValueError, match=sentence):
        spherical_mean(latitudes, longitudes, weights)
