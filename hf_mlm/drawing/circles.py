"""Circles on the earth, as outlines and areas in a plate carrée."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hf_mlm.geo.distance import EARTH_RADIUS_KM


POINTS = 180  # of an outline


def circle_outline(latitude: float, longitude: float, radius_km: float) -> NDArray[np.float64]:
    """All places at one distance from a place, in the order of their bearing from north over east.

    Args:
        latitude: of the place, degrees.
        longitude: likewise.
        radius_km: great-circle distance.

    Returns:
        (181, 2) latitude and longitude in degrees, the first one again at the end. Longitudes run on beyond ±180°
        instead of jumping, so around a pole the last differs from the first by 360°.

    Example:
        >>> circle_outline(0, 170, EARTH_RADIUS_KM * np.pi / 6)[[0, 90]].round().tolist()
        [[30.0, 170.0], [-30.0, 170.0]]
    """
    phi, angle = np.radians(latitude), radius_km / EARTH_RADIUS_KM
    bearing = np.linspace(0, 2 * np.pi, POINTS + 1)
    sine = np.sin(phi) * np.cos(angle) + np.cos(phi) * np.sin(angle) * np.cos(bearing)
    east = np.sin(bearing) * np.sin(angle) * np.cos(phi)
    longitudes = longitude + np.degrees(np.arctan2(east, np.cos(angle) - np.sin(phi) * sine))
    return np.stack([np.degrees(np.arcsin(sine.clip(-1, 1))), np.unwrap(longitudes, period=360)], axis=1)


def circle_area(latitude: float, longitude: float, radius_km: float) -> list[NDArray[np.float64]]:
    """Rings that, filled by the even-odd rule and repeated every 360°, cover what lies within a distance of a place.

    Args:
        latitude: of the place, degrees.
        longitude: likewise.
        radius_km: great-circle distance.

    Returns:
        Polygons, each (points, 2) of latitude and longitude in degrees. A circle with one pole in it is closed along
        that pole; of one with both poles the rest of the earth is cut out.
    """
    outline = circle_outline(latitude, longitude, radius_km)
    degrees = np.degrees(radius_km / EARTH_RADIUS_KM)
    north, south = degrees > 90 - latitude, degrees > 90 + latitude
    if north and south:
        west = longitude - 180
        return [np.array([[-90, west], [90, west], [90, west + 360], [-90, west + 360]]), outline]
    if north or south:
        pole = 90.0 if north else -90.0
        return [np.vstack([outline, [pole, outline[-1, 1]], [pole, outline[0, 1]]])]
    return [outline]
