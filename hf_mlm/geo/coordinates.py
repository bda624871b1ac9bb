"""Latitudes and longitudes: checks that they lie on the earth, and writing them as people do."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_coordinates(latitudes: ArrayLike, longitudes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn two sequences into float64 arrays of places on the earth.

    Args:
        latitudes: (N,) degrees in [-90, 90].
        longitudes: (N,) degrees in [-180, 180].

    Returns:
        Latitudes and longitudes, both (N,) float64.

    Raises:
        ValueError: if they are not two one-dimensional sequences of equal length, or if a row is missing (NaN, None)
            or off the earth; the message names the first such row.

    Example:
        >>> check_coordinates([50.7, 95], [7.1, 8])
        Traceback (most recent call last):
            ...
        ValueError: Row 1 is off the earth: latitude 95.0, longitude 8.0; latitudes lie in ...
    """
    lat, lon = np.asarray(latitudes, np.float64), np.asarray(longitudes, np.float64)
    if lat.ndim != 1 or lat.shape != lon.shape:
        raise ValueError(
            f"latitudes and longitudes have to be two sequences of equal length, but their shapes are {lat.shape} and "
            f"{lon.shape}; wrap a single place as [latitude], [longitude]."
        )
    if lat.size and not (_within(lat, 90.0) and _within(lon, 180.0)):
        row = int(np.argmin((np.abs(lat) <= 90.0) & (np.abs(lon) <= 180.0)))  # the first False
        raise ValueError(
            f"Row {row} is off the earth: latitude {lat[row]}, longitude {lon[row]}; latitudes lie in [-90, 90] and "
            "longitudes in [-180, 180] degrees. Drop rows without a place, and look whether the two are exchanged."
        )
    return lat, lon


def position_of(latitude: float | None, longitude: float | None) -> str:
    """Write a position as people do.

    Example:
        >>> position_of(-33.87, 151.21), position_of(None, None)
        ('33.87° S 151.21° E', 'unknown')
    """
    if latitude is None or longitude is None:
        return "unknown"
    return f"{abs(latitude):.2f}° {'NS'[latitude < 0]} {abs(longitude):.2f}° {'EW'[longitude < 0]}"


def _within(values: NDArray[np.float64], bound: float) -> bool:
    return bool(-bound <= values.min() and values.max() <= bound)  # NaN compares false
