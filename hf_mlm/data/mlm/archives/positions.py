"""Positions as archives write them: degrees, DMS, pairs, WKT, GeoJSON, values of Wikidata and EXIF."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from hf_mlm.geo.distance import spherical_mean


EARTH = "Q2"  # of Wikidata; other globes have numbers of their own
NOTHING = ("", "nan", "na", "n/a", "null", "none", "-", "?")
_NUMBER = r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?"
_ANGLE = re.compile(
    rf"(?P<before>[NSEW])?\s*(?P<degrees>{_NUMBER})\s*[°ºd]?\s*"
    r"(?:(?P<minutes>\d+(?:[.,]\d+)?)\s*['′’]?\s*)?(?:(?P<seconds>\d+(?:[.,]\d+)?)\s*(?:[\"″”]|'')?\s*)?"
    r"(?P<after>[NSEW])?",
    re.IGNORECASE,
)
_GLOBE = re.compile(r"entity/(Q\d+)")
_WKT = re.compile(r"(?:SRID=(\d+);)?\s*(?:<[^>]*>)?\s*(POINT|MULTIPOINT|LINESTRING|POLYGON|MULTIPOLYGON)\b", re.I)


class BadPosition(ValueError):
    """A position that cannot be used.

    Args:
        kind: of the fault, a key of `hf_mlm.data.mlm.archives.faults.KINDS`.
        found: what was found.
    """

    def __init__(self, kind: str, found: str) -> None:
        super().__init__(f"{kind}: {found}")
        self.kind, self.found = kind, found


class Position(NamedTuple):
    """A point on the earth.

    Args:
        latitude: degrees.
        longitude: degrees.
        repaired: kind of the fault that was repaired; None where there was none.
    """

    latitude: float
    longitude: float
    repaired: str | None = None


def read_position(
    latitude: Any = None, longitude: Any = None, coordinates: Any = None, longitude_first: bool = False
) -> Position | None:
    """Read a position from whichever of its columns are filled.

    Args:
        latitude: degrees, as a number or text.
        longitude: degrees, as a number or text.
        coordinates: both: a list of two, ``"52.5, 13.4"``, DMS, WKT, a GeoJSON geometry or a value of Wikidata.
        longitude_first: order of a list or a pair; WKT and GeoJSON have theirs.

    Returns:
        the position, of a line or an area the mean of its corners; None where all columns are empty.

    Raises:
        BadPosition: if the columns hold no point of the earth.

    Example:
        >>> read_position(coordinates="52°31′12″N 13°24′18″E")
        Position(latitude=52.52, longitude=13.405, repaired=None)
        >>> read_position("52,52", "346,595")
        Position(latitude=52.52, longitude=-13.405, repaired='longitude from 0 to 360')
    """
    if _is_nothing(latitude) and _is_nothing(longitude):
        if _is_nothing(coordinates):
            return None
        latitude, longitude = _pair(coordinates, longitude_first)
        if _is_nothing(latitude) and _is_nothing(longitude):
            return None
    for value in (latitude, longitude):
        if isinstance(value, (bool, np.bool_)) or str(value).strip().lower() in ("true", "false"):
            raise BadPosition("truth values as coordinates", f"{latitude!r:.40}, {longitude!r:.40}")
    return _on_earth(_degrees(latitude, "NS"), _degrees(longitude, "EW"))


def exif_position(content: bytes) -> Position | None:
    """Read the position that a camera wrote into an image; None where there is none.

    Args:
        content: of the image file.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            gps = image.getexif().get_ifd(0x8825)
        parts = [sum(float(part) / 60**power for power, part in enumerate(gps[tag])) for tag in (2, 4)]
        signs = [-1 if str(gps.get(tag, "")).upper().startswith(side) else 1 for tag, side in ((1, "S"), (3, "W"))]
        return _on_earth(parts[0] * signs[0], parts[1] * signs[1])
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, ZeroDivisionError, Image.DecompressionBombError):
        return None


def _is_nothing(value: Any) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and value.strip().lower() in NOTHING) or value in ([], {})


def _on_earth(latitude: float, longitude: float) -> Position:
    found = f"latitude {latitude:.9g}, longitude {longitude:.9g}"
    if latitude == 0 and longitude == 0:
        raise BadPosition("coordinates 0, 0", found)
    if abs(latitude) <= 90 and abs(longitude) <= 180:
        return Position(latitude, longitude)
    if abs(latitude) <= 90 and 180 < longitude <= 360:
        return Position(latitude, round(longitude - 360, 9), "longitude from 0 to 360")
    if 90 < abs(latitude) <= 180 and abs(longitude) <= 90:
        raise BadPosition("coordinates in the other order", found)
    raise BadPosition("coordinates off the earth", found)


def _degrees(value: Any, sides: str) -> float:
    """Read an angle, positive to the north or east."""
    unreadable = BadPosition("unreadable coordinates", f"{value!r:.60}")
    if isinstance(value, (int, float, np.number)):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    match = _ANGLE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise unreadable
    degrees, minutes, seconds = (
        float((match[name] or "0").replace(",", ".")) for name in ("degrees", "minutes", "seconds")
    )
    side = (match["before"] or match["after"] or sides[0]).upper()
    if side not in sides or minutes >= 60 or seconds >= 60:
        raise unreadable
    size = abs(degrees) + minutes / 60 + seconds / 3600
    return round(-size if side == sides[1] or match["degrees"].startswith("-") else size, 9)


def _pair(value: Any, longitude_first: bool) -> tuple[Any, Any]:
    """Take latitude and longitude apart."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise BadPosition("unreadable coordinates", f"{value!r:.60}") from None
    if isinstance(value, Mapping):
        return _of_mapping(value)
    if isinstance(value, str) and (wkt := _WKT.search(value)):
        return _of_wkt(value, wkt)
    parts = _halves(value.strip()) if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or len(parts) != 2:
        raise BadPosition("unreadable coordinates", f"{value!r:.60}")
    return (parts[1], parts[0]) if longitude_first else (parts[0], parts[1])


def _of_mapping(value: Mapping[str, Any]) -> tuple[Any, Any]:
    if "latitude" in value and "longitude" in value:  # as Wikidata writes it
        _check_globe(str(value.get("globe") or ""))
        return value["latitude"], value["longitude"]
    points = list(_corners(value.get("coordinates")))
    if not points:
        raise BadPosition("unreadable coordinates", f"{json.dumps(value, default=str):.60}")
    return _middle(points)


def _of_wkt(value: str, match: re.Match[str]) -> tuple[float, float]:
    _check_globe(value)
    if match[1] not in (None, "4326"):
        raise BadPosition("another reference system", f"SRID={match[1]}")
    tuples = [re.findall(_NUMBER.replace("[.,]", "[.]"), part) for part in value[match.end() :].split(",")]
    points = [(float(numbers[0]), float(numbers[1])) for numbers in tuples if len(numbers) >= 2]
    if not points:
        raise BadPosition("unreadable coordinates", f"{value!r:.60}")
    return _middle(points)


def _check_globe(text: str) -> None:
    globe = _GLOBE.search(text)
    if globe and globe[1] != EARTH:
        raise BadPosition("coordinates of another globe", f"https://www.wikidata.org/wiki/{globe[1]}")


def _corners(coordinates: Any) -> Iterator[tuple[float, float]]:
    """Give longitude and latitude of every point of a GeoJSON geometry."""
    if not isinstance(coordinates, list) or not coordinates:
        return
    if all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in coordinates[:2]):
        if len(coordinates) >= 2:
            yield coordinates[0], coordinates[1]
        return
    for part in coordinates:
        yield from _corners(part)


def _middle(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Give the latitude and longitude of one point, or the spherical mean of several."""
    if len(points) == 1 or any(abs(latitude) > 90 for _, latitude in points):
        return points[0][1], points[0][0]
    longitudes, latitudes = np.array(list(dict.fromkeys(points))).T  # a ring ends where it begins
    latitude, longitude = spherical_mean(latitudes, longitudes)
    return float(latitude), float(longitude)


def _halves(value: str) -> list[str]:
    """Divide ``"52,5 13,4"``, ``"52.5, 13.4"``, ``"52,5; 13,4"`` or ``"N 52°31′ E 13°24′"`` in the middle."""
    for pattern in (r"(.*[NS])[\s,;/]*([^NS]*[EW])", r"([NS].*?)[\s,;/]*([EW].*)"):
        if match := re.fullmatch(pattern, value, re.IGNORECASE):
            return [match[1], match[2]]
    for pattern in (r"\s*[;/|]\s*", r",\s+" if value.count(",") != 2 else r"\s+", r",", r"\s+"):
        parts = [part for part in re.split(pattern, value) if part]
        if len(parts) == 2:
            return parts
    return [value]
