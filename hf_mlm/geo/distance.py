"""Distances and means on the sphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_mlm.geo.coordinates import check_coordinates


EARTH_RADIUS_KM = 6371.0088  # mean radius of the WGS 84 ellipsoid (IUGG)


def great_circle_distance(
    latitude_a: ArrayLike, longitude_a: ArrayLike, latitude_b: ArrayLike, longitude_b: ArrayLike
) -> NDArray[np.float64]:
    """Measure the way over a spherical earth by the haversine formula; the real earth's is within about 0.5 %.

    Args:
        latitude_a: degrees; the four arguments are broadcast against each other.
        longitude_a: degrees; longitudes are periodic, so 181 is -179.
        latitude_b: degrees.
        longitude_b: degrees.

    Returns:
        km, float64, in the shape of the four together; NaN where a coordinate is NaN.

    Example:
        >>> great_circle_distance(50.735, 7.1, [52.52, 50.735], [13.405, 7.1]).round(1)
        array([478.1,   0. ])
    """
    phi_a, theta_a, phi_b, theta_b = (
        np.radians(np.asarray(degrees, np.float64)) for degrees in (latitude_a, longitude_a, latitude_b, longitude_b)
    )
    across = np.sin((theta_b - theta_a) / 2) ** 2
    haversine = np.sin((phi_b - phi_a) / 2) ** 2 + np.cos(phi_a) * np.cos(phi_b) * across
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(haversine, 0.0, 1.0)))


def spherical_mean(
    latitudes: ArrayLike, longitudes: ArrayLike, weights: ArrayLike | None = None
) -> tuple[float, float]:
    """Average places as unit vectors, which is right across the antimeridian and at the poles.

    Args:
        latitudes: (N,) degrees in [-90, 90].
        longitudes: (N,) degrees in [-180, 180].
        weights: (N,) of at least 0; all equal when omitted.

    Returns:
        Latitude and longitude in degrees.

    Raises:
        ValueError: if there is no place or one is off the earth, if the weights are not N finite numbers of at least 0
            with a positive sum, or if the places balance out around the globe (as antipodes do) and have no mean.

    Example:
        >>> latitude, longitude = spherical_mean([10.0, 10.0], [179.0, -179.0])
        >>> round(latitude, 1), round(abs(longitude), 6)
        (10.0, 180.0)
    """
    lat, lon = check_coordinates(latitudes, longitudes)
    if not lat.size:
        raise ValueError("spherical_mean needs at least one place, but latitudes and longitudes are empty.")
    share = _shares(lat.size, weights)
    phi, theta = np.radians(lat), np.radians(lon)
    x = float(share @ (np.cos(phi) * np.cos(theta)))
    y = float(share @ (np.cos(phi) * np.sin(theta)))
    z = float(share @ np.sin(phi))
    if np.hypot(np.hypot(x, y), z) < 1e-12:
        raise ValueError(
            f"The {lat.size} places balance out around the globe, so they have no mean; weigh them or drop some."
        )
    return float(np.degrees(np.arctan2(z, np.hypot(x, y)))), float(np.degrees(np.arctan2(y, x)))


def _shares(count: int, weights: ArrayLike | None) -> NDArray[np.float64]:
    """Weights of sum 1."""
    values = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    if values.shape != (count,) or not np.isfinite(values).all() or (values < 0).any() or not values.any():
        raise ValueError(
            f"weights have to be {count} finite numbers of at least 0, one of them above, but have shape "
            f"{values.shape} and values {np.array2string(values, threshold=6)}."
        )
    values = values / values.max()  # so that huge weights do not overflow
    return values / values.sum()
