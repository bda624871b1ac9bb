"""Checks of image files before anything is made of them."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

from PIL import Image

from hf_mlm.data.formats.checks import check_not_empty


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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check_pixels(image, path, where)
                image.draft("RGB", (32, 32))  # a JPEG is decoded at an eighth of its size: as safe, and faster
                image.load()
    except Image.DecompressionBombError as error:
        raise ValueError(f"{where}: {path} is gigantic ({error}); replace it by a thumbnail.") from error
    except (OSError, SyntaxError, struct.error, IndexError, EOFError) as error:
        raise ValueError(
            f"{where}: {path} is no readable image ({error}); fetch it again, or take its name out of the entity's "
            "'images'."
        ) from error


def _check_pixels(image: Image.Image, path: Path, where: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"{where}: {path} has {width} x {height} pixels, more than {MAX_PIXELS:,}; replace it by a thumbnail "
            "(the authors' are 256 x 256)."
        )
