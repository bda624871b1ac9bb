"""S2 cells and places as GeoJSON (RFC 7946): longitude first, rings counter-clockwise, cut at the antimeridian."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hf_mlm.geo import s2


FloatArray = NDArray[np.float64]
STEP_DEGREES = 1.0  # an edge is a great circle; straight lines between points this far apart follow it
DIGITS = 9  # a tenth of a millimetre, so that even the smallest cells keep their shape


def cell_geometry(token: str) -> dict[str, Any]:
    """Outline a cell: a Polygon, or a MultiPolygon where it lies on both sides of the antimeridian.

    Args:
        token: S2 token.

    Raises:
        ValueError: if it is none.

    Example:
        >>> cell_geometry("47bee1")["coordinates"][0][0]
        [7.170298579, 50.792162929]
    """
    latitudes, longitudes = (values[0] for values in s2.corners(s2.from_tokens([token])))
    rings = _cut(_unwrap(_along_edges(latitudes, longitudes)))
    polygons = [[_closed(ring)] for ring in rings]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def point_geometry(latitude: float, longitude: float) -> dict[str, Any]:
    """Give a place, in degrees, as a Point.

    Example:
        >>> point_geometry(-33.87, 151.21)
        {'type': 'Point', 'coordinates': [151.21, -33.87]}
    """
    return {"type": "Point", "coordinates": [round(longitude, DIGITS), round(latitude, DIGITS)]}


def feature(geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    """Put a geometry and what is known of it together as a Feature."""
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _along_edges(latitudes: FloatArray, longitudes: FloatArray) -> FloatArray:
    """Points along the great circles between the corners, (points, 2) of longitude and latitude."""
    phi, theta = np.radians(latitudes), np.radians(longitudes)
    vectors = np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=-1)  # (4, 3)
    parts = []
    for corner in range(4):
        ends = [corner, (corner + 1) % 4]
        start, stop = vectors[ends]
        angles = [np.degrees(2 * np.arcsin(np.linalg.norm(stop - start) / 2))]
        if not _at_pole(latitudes[ends]).any():
            angles.append(abs(_turn(np.diff(longitudes[ends])[0])))
        steps = 2 * int(np.ceil(max(angles) / STEP_DEGREES / 2))  # even: a face has a point in the middle of its edge
        shares = np.linspace(0, 1, steps, endpoint=False)[:, None]
        parts.append(start + shares * (stop - start))  # on the chord; only the direction counts
    x, y, z = np.concatenate(parts).T
    return np.degrees([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))]).T


def _unwrap(ring: FloatArray) -> FloatArray:
    """The ring in a plane where longitudes run on beyond 180 degrees, with the pole as an edge where it touches one.

    A pole at a corner has the longitudes of both neighbours; one in the middle, of which only whole faces of the cube
    have one, makes the ring a band around the earth, which is closed along the pole.
    """
    before, after = np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0)
    points = []
    for point, left, right in zip(ring, before, after, strict=True):
        points += [[left[0], point[1]], [right[0], point[1]]] if _at_pole(point[1]) else [point]
    plane = np.array(points)
    plane = np.roll(plane, -int(np.argmax(np.abs(plane[:, 0]))), axis=0)  # a band has to begin at the antimeridian
    plane[:, 0] = np.unwrap(plane[:, 0], period=360)
    whole = plane[-1, 0] + _turn(plane[0, 0] - plane[-1, 0]) - plane[0, 0]
    if abs(whole) < 180:
        return plane
    side = np.sign(whole)  # eastward around the north pole, westward around the south pole
    plane[:, 0] += -180 * side - plane[0, 0]
    return np.concatenate([plane, [[180 * side, plane[0, 1]], [180 * side, 90 * side], [-180 * side, 90 * side]]])


def _cut(ring: FloatArray) -> list[FloatArray]:
    """The ring, or its parts on both sides of the antimeridian, within -180 and 180 degrees.

    Only the face of the cube around the antimeridian, cell "7", lies on both sides: it is divided there, so smaller
    cells end there, and its ring has points there.
    """
    ring = np.round(ring - [360 * np.round((ring[:, 0].min() + ring[:, 0].max()) / 720), 0], DIGITS)
    side = 180 * np.sign(ring[:, 0].min() + ring[:, 0].max())
    inner, outer = np.abs(ring[:, 0]) <= 180, np.abs(ring[:, 0]) >= 180
    return [ring] if inner.all() else [ring[inner], ring[outer] - [2 * side, 0]]


def _closed(ring: FloatArray) -> list[list[float]]:
    """Positions of a ring, the first one again at its end and none twice in a row."""
    fresh = (ring != np.roll(ring, 1, axis=0)).any(axis=1)
    positions: list[list[float]] = (ring[fresh] + 0.0).tolist()  # no -0.0
    return [*positions, positions[0]]


def _at_pole(latitudes: Any) -> Any:
    return 90 - np.abs(latitudes) < 10**-DIGITS


def _turn(degrees: float) -> float:
    """The same angle between -180 and 180."""
    return float((degrees + 180) % 360 - 180)
