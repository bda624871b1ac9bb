"""Maps in equirectangular projection: windows, circles and great circles on the earth, and the map of errors."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from hf_mlm.drawing.html import Markup, data_uri, drawing, element
from hf_mlm.geo.distance import EARTH_RADIUS_KM, great_circle_distance


@dataclass(frozen=True)
class Window:
    """The part of the world that a map shows: all longitudes, ``south`` to ``north`` degrees of latitude.

    ``width`` and ``height`` are in the drawing's own units.
    """

    south: float = -58.0
    north: float = 79.0
    width: float = 1440.0

    @property
    def height(self) -> float:
        """Height that keeps one degree as tall as it is wide."""
        return self.width * (self.north - self.south) / 360

    def project(self, latitudes: ArrayLike, longitudes: ArrayLike) -> NDArray[np.float64]:
        """Degrees to drawing units, (..., 2), y downwards; latitudes beyond the window stay on its edge."""
        clipped = np.clip(np.asarray(latitudes, np.float64), self.south, self.north)
        x = (np.asarray(longitudes, np.float64) + 180) / 360 * self.width
        y = (self.north - clipped) / (self.north - self.south) * self.height
        return np.stack(np.broadcast_arrays(x, y), axis=-1)


KM_PER_DEGREE = np.radians(EARTH_RADIUS_KM)
MARGIN = 1.7  # half of a region's height, as a multiple of the radius
LEAST, MOST = 4.0, 30.0  # degrees of latitude from a region's middle to its edge
ASPECT = 4 / 3  # width to height on the ground


@dataclass(frozen=True)
class Region(Window):
    """The part of the world from ``west`` over ``span`` degrees of longitude; a circle in its middle looks round.

    It may lie across the antimeridian: ``west + span`` runs on beyond 180°.
    """

    width: float = 640.0
    west: float = -180.0
    span: float = 360.0

    @classmethod
    def around(cls, latitude: float, longitude: float, radius_km: float) -> Region | None:
        """The region that shows a circle with some land around it; None where the whole world shows it as well.

        Args:
            latitude: of the middle, degrees.
            longitude: likewise.
            radius_km: of the circle.

        Example:
            >>> round(float(Region.around(0, 175, 500).west), 2), Region.around(0, 175, 9000)
            (164.81, None)
        """
        half = max(MARGIN * radius_km / KM_PER_DEGREE, LEAST)
        if half > MOST or abs(latitude) + half > 85:
            return None
        span = 2 * half * ASPECT / np.cos(np.radians(latitude))
        if span > 180:
            return None
        return cls(latitude - half, latitude + half, west=longitude - span / 2, span=span)

    @property
    def height(self) -> float:
        """Height that keeps a kilometre in the middle as tall as it is wide."""
        middle = np.radians((self.south + self.north) / 2)
        return self.width * (self.north - self.south) / (self.span * float(np.cos(middle)))

    def project(self, latitudes: ArrayLike, longitudes: ArrayLike) -> NDArray[np.float64]:
        """Degrees to drawing units, (..., 2), y downwards, also beyond the region; 360° more is another place."""
        x = (np.asarray(longitudes, np.float64) - self.west) / self.span * self.width
        y = (self.north - np.asarray(latitudes, np.float64)) / (self.north - self.south) * self.height
        return np.stack(np.broadcast_arrays(x, y), axis=-1)

    def background(self, earth: NDArray[np.uint8], quality: int = 80) -> bytes:
        """Cut the region out of a picture of the whole earth.

        Args:
            earth: uint8 (height, width, 3), equirectangular, north up, column 0 at 180° west.
            quality: of the JPEG, 1 to 95.

        Returns:
            A JPEG file.
        """
        height, width = earth.shape[:2]
        top, bottom = (round((90 - latitude) / 180 * height) for latitude in (self.north, self.south))
        left, right = (round((longitude + 180) / 360 * width) for longitude in (self.west, self.west + self.span))
        part = earth[top:bottom].take(range(left, right), axis=1, mode="wrap")
        size = round(self.width), round(self.height)
        file = io.BytesIO()
        Image.fromarray(part).resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=quality)
        return file.getvalue()


def background(earth: NDArray[np.uint8], window: Window | None = None, quality: int = 72) -> bytes:
    """Shrink a picture of the whole earth to the window's part and size.

    Args:
        earth: uint8 (height, width, 3), equirectangular, north up, column 0 at 180° west.
        window: the part to keep; the inhabited part when omitted.
        quality: of the JPEG, 1 to 95.

    Returns:
        A JPEG file.
    """
    window = window or Window()
    edges = [round((90 - latitude) / 180 * len(earth)) for latitude in (window.north, window.south)]
    size = round(window.width), round(window.height)
    picture = Image.fromarray(earth[slice(*edges)]).resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()


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


def great_circle_arc(start: Sequence[float], end: Sequence[float], step: float = 2.0) -> list[NDArray[np.float64]]:
    """The shortest way between two positions, cut in two where it crosses the antimeridian.

    Args:
        start: latitude and longitude in degrees.
        end: likewise.
        step: degrees of arc between two points of the line.

    Returns:
        One or two polylines of (latitude, longitude), each (points, 2); a cut one ends at ±180° exactly.

    Example:
        >>> [part.round(1).tolist() for part in great_circle_arc((0, 179), (0, -179), step=2)]
        [[[0.0, 179.0], [0.0, 180.0]], [[0.0, -180.0], [0.0, -179.0]]]
    """
    a, b = _unit_vector(*start), _unit_vector(*end)
    angle = np.arccos(np.clip(a @ b, -1, 1))
    share = np.linspace(0, 1, 2 + int(np.degrees(angle) / step))[:, None]  # (points, 1)
    if np.sin(angle) < 1e-9:  # the same place, or exactly opposite ones: no single shortest way
        points = a * (1 - share) + b * share
    else:
        points = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    x, y, z = points.T
    line = np.stack([np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))], axis=1)
    line[[0, -1]] = start, end
    return _cut_at_antimeridian(line)


def _unit_vector(latitude: float, longitude: float) -> NDArray[np.float64]:
    phi, theta = np.radians(latitude), np.radians(longitude)
    return np.array([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)])


def _cut_at_antimeridian(line: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    jumps = np.flatnonzero(np.abs(np.diff(line[:, 1])) > 180)
    if not len(jumps):
        return [line]
    before = int(jumps[0])  # a shortest way crosses the antimeridian once
    (latitude_a, longitude_a), (latitude_b, longitude_b) = line[before : before + 2]
    side = np.copysign(180.0, longitude_a)
    reach, whole = side - longitude_a, longitude_b + 2 * side - longitude_a
    latitude = latitude_a + (latitude_b - latitude_a) * (reach / whole if whole else 0.0)
    return [
        np.vstack([line[: before + 1], (latitude, side)]),
        np.vstack([(latitude, -side), line[before + 1 :]]),
    ]


# Upper bound in km of each class of error; the style sheet gives each its colour.
ERROR_CLASSES = (("near", 250.0), ("middling", 1000.0), ("far", np.inf))


def error_map(
    earth: bytes,
    truth: NDArray[np.float64],
    predicted: NDArray[np.float64],
    labels: Sequence[str],
    title: str,
    window: Window | None = None,
) -> Markup:
    """Draw every place, its predicted position and the great circle between them.

    Args:
        earth: a JPEG as `background` makes it, of the same window.
        truth: (places, 2) latitude and longitude in degrees.
        predicted: (places, 2) likewise.
        labels: (places,) names, shown with the error in km when the pointer rests on an arc.
        title: what a screen reader says instead of the picture.
        window: the part of the world that ``earth`` shows; the inhabited part when omitted.

    Returns:
        One ``<svg>`` element that needs nothing else.
    """
    window = window or Window()
    errors = great_circle_distance(truth[:, 0], truth[:, 1], predicted[:, 0], predicted[:, 1])  # (places,) km
    order = np.argsort(errors)[::-1]  # short arcs last, so that they lie on top
    marks = [
        _mark(window, truth[row], predicted[row], f"{labels[row]}: {errors[row]:,.0f} km", errors[row])
        for row in order
    ]
    guesses = [
        element("circle", class_="guess", cx=f"{x:.1f}", cy=f"{y:.1f}", r="3.2")
        for x, y in window.project(*np.unique(predicted.round(3), axis=0).T)
    ]
    href = data_uri(earth, "image/jpeg")
    ground = element("image", href=href, width=window.width, height=f"{window.height:.0f}")
    return drawing(window.width, window.height, title, ground, *marks, *guesses, class_="map")


def error_class(kilometres: float) -> str:
    """The class of an error, as the style sheet and the legend name it.

    Example:
        >>> [error_class(km) for km in (12, 400, 9000)]
        ['near', 'middling', 'far']
    """
    return next(name for name, bound in ERROR_CLASSES if kilometres <= bound)


def _mark(
    window: Window, truth: NDArray[np.float64], predicted: NDArray[np.float64], label: str, error: float
) -> Markup:
    lines = [
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in window.project(*part.T))
        for part in great_circle_arc(tuple(truth), tuple(predicted))
    ]
    x, y = window.project(*truth)
    return element(
        "g",
        element("title", label),
        element("path", d="".join(lines)),
        element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="1.8"),
        class_=error_class(error),
    )
