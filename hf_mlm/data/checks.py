"""Checks that the readers share: positions, ids, files and images."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, TypeVar

from PIL import Image


T = TypeVar("T")
_BLANKS = " \u2800\u3164\uffa0\u115f\u1160"  # the last five count as symbols or letters


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
    if -90 <= latitude <= 90 and -180 <= longitude <= 180:
        return
    remedy = "correct the coordinates"
    if -90 <= latitude <= 90 and 180 < longitude <= 360:
        remedy = "the longitude counts from 0 to 360: subtract 360 beyond 180"
    elif 90 < abs(latitude) <= 180 and abs(longitude) <= 90:
        remedy = "latitude comes first: see whether they are in the other order"
    raise ValueError(
        f"{where}: latitude {latitude}, longitude {longitude} is not on the earth (-90 to 90 and -180 to 180 "
        f"degrees); {remedy}."
    )


def has_letters(text: str) -> bool:
    r"""Tell whether a text has anything to read, and not only blanks and invisible characters.

    Example:
        >>> has_letters("a"), has_letters(" \u200b\n")
        (True, False)
    """
    return any(letter.isprintable() and letter not in _BLANKS for letter in text)


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


MAX_PIXELS = 50_000_000


def check_image(path: Path, where: str) -> None:
    """Decode an image once, so that a broken one is refused here and not in the middle of an epoch.

    Args:
        path: the file.
        where: file and entity that name the image, for the sentence.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is empty, no image, truncated, or has more than ``MAX_PIXELS`` pixels; the size is read from
            the header, before anything is decoded.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{where} names the image {path.name}, but there is no {path}; unpack the images beside the JSON file, or "
            "take the name out of the entity's 'images'."
        )
    check_not_empty(path)
    defect = image_defect(path)
    if defect:
        raise ValueError(
            f"{where}: {path} {defect}; fetch it again, replace it by a thumbnail (the authors' are 256 x 256), or "
            "take its name out of the entity's 'images'."
        )


def image_defect(path: Path | BinaryIO) -> str | None:
    """Decode an image once and say what is wrong with it.

    Args:
        path: of a file, or an open one.

    Returns:
        what to say after the path, such as "is no readable image (…)"; None of a whole image. The size is read from
        the header, before anything is decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    return f"has {width} x {height} pixels, more than {MAX_PIXELS:,}"
                image.draft("RGB", (32, 32))  # a JPEG is decoded at an eighth of its size: as safe, and faster
                image.load()
    except Image.DecompressionBombError as error:
        return f"is gigantic ({error})"
    except (OSError, SyntaxError, struct.error, IndexError, EOFError, ValueError) as error:
        return f"is no readable image ({error})"
    return None


class ImageFolder:
    """The images of a folder by id; the folder is listed once, and never walked.

    Args:
        path: the folder.

    Raises:
        NotADirectoryError: if it is not a folder.

    Example:
        >>> ImageFolder("images").find("17_06_4705")  # doctest: +SKIP
        PosixPath('images/17_06_4705.jpg')
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise NotADirectoryError(f"the folder of images {str(path)!r} is not there; check image_dir.")
        with os.scandir(self.path) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
        self._names = {os.path.splitext(name)[0]: name for name in names} | {name: name for name in names}

    def find(self, image_id: str | None) -> Path | None:
        """Path of the image with an id, which is its file's name with or without the ending; None if there is none."""
        name = None if image_id is None else self._names.get(image_id)
        return None if name is None else self.path / name
