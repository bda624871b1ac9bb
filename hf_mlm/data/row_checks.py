"""Checks that every reader makes, each with the sentence that its failure deserves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar


T = TypeVar("T")


def check_position(latitude: float, longitude: float, where: str) -> None:
    """Refuse a point that is not on the earth.

    Args:
        latitude: degrees, positive to the north.
        longitude: degrees, positive to the east.
        where: file and key or line, for the sentence.

    Raises:
        ValueError: unless -90 <= latitude <= 90 and -180 <= longitude <= 180 (NaN is on no earth).

    Example:
        >>> check_position(91.0, 0.0, "cities.json, entity 3")
        Traceback (most recent call last):
        ValueError: cities.json, entity 3: latitude 91.0, longitude 0.0 is not on the earth ...
    """
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError(
            f"{where}: latitude {latitude}, longitude {longitude} is not on the earth (-90 to 90 and -180 to 180 "
            "degrees); correct the coordinates, and see that they are not in the other order."
        )


def check_not_empty(path: Path) -> None:
    """Refuse a missing file, a folder and a file of no bytes.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file has no bytes.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; check the path.")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); fetch or write it again.")


def check_unique(values: Iterable[T], where: str) -> list[T]:
    """Return the values as a list.

    Raises:
        ValueError: naming the first value that occurs twice.
    """
    listed = list(values)
    seen: set[T] = set()
    for value in listed if len(set(listed)) < len(listed) else ():
        if value in seen:
            raise ValueError(f"{where}: entity {value} occurs more than once; keep one of its entries.")
        seen.add(value)
    return listed
