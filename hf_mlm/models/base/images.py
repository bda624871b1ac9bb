"""Images as people have them, made into the RGB pictures that image processors expect."""

from __future__ import annotations

import io
import os
from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError


SIXTEEN_BIT_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # PNG's 16-bit greyscale comes as one of these


_REMEDY = "replace or leave out the file"
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def to_rgb(image: Any, name: str = "image", max_pixels: int | None = None) -> Image.Image:
    """Open an image in whatever form it comes and make an upright RGB picture of it.

    Of an animation the first frame is taken, transparency is laid over white, CMYK, palette and grey are converted,
    16-bit grey and floating point are scaled to 8 bits, and the camera's orientation is applied. HEIC is opened where
    pillow-heif is installed (extra ``heif``). Nothing is fetched over a network.

    Args:
        image: a Pillow image, a path, encoded bytes, a ``{"bytes": …, "path": …}`` of ``datasets``, or a uint8 array
            (height, width) or (height, width, 3 or 4).
        name: what to call it in an error.
        max_pixels: the most that are decoded; Pillow's limit alone when None.

    Raises:
        FileNotFoundError: if the path leads nowhere.
        ValueError: if it is no image, is broken, has more pixels, or is so large that it may be a decompression bomb.

    Example:
        >>> to_rgb(Image.new("CMYK", (4, 3))).mode
        'RGB'
    """
    if isinstance(image, dict) and ("bytes" in image or "path" in image):
        image, name = image.get("bytes") or image.get("path"), image.get("path") or name
    if isinstance(image, (str, os.PathLike)):
        name = os.fspath(image)
    try:
        picture = _open(image, name)
        if max_pixels is not None and picture.width * picture.height > max_pixels:
            raise ValueError(
                f"{name} has {picture.width:,} × {picture.height:,} pixels, and at most {max_pixels / 1e6:,.0f} "
                "million are opened: scale it down first."
            )
        if getattr(picture, "n_frames", 1) > 1:
            picture.seek(0)
        return _flatten(ImageOps.exif_transpose(picture))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no image at {name}: check the path.") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} is too large to open safely ({error}): scale it down first.") from error
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{name} cannot be read as an image (no known format): replace or leave out the file."
        ) from error
    except (OSError, SyntaxError, EOFError) as error:  # what Pillow raises for damaged files, by format
        raise ValueError(f"{name} cannot be read as an image ({error}): replace or leave out the file.") from error


def distinct_images(images: Sequence[Any], keys: Sequence[Hashable]) -> tuple[dict[Hashable, Any], np.ndarray]:
    """Find the images of some rows that differ.

    Args:
        images: of each row, None where it has none.
        keys: of each row, what tells one image from another.

    Returns:
        The first image of each key, and which of them each row has, -1 where none: int64 (rows,).

    Example:
        >>> distinct_images(["sea", None, "sea", "hill"], [7, 0, 7, 8])
        ({7: 'sea', 8: 'hill'}, array([ 0, -1,  0,  1]))
    """
    firsts: dict[Hashable, Any] = {}
    for key, image in zip(keys, images, strict=True):
        if image is not None:
            firsts.setdefault(key, image)
    numbers = {key: number for number, key in enumerate(firsts)}
    index = [-1 if image is None else numbers[key] for key, image in zip(keys, images, strict=True)]
    return firsts, np.array(index, dtype=np.int64)


def _open(image: Any, name: str) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, (str, os.PathLike)):
        return _open_file(image, name)
    if isinstance(image, (bytes, bytearray)):
        return _open_file(io.BytesIO(image), name)
    array = np.asarray(image)
    if array.dtype == np.uint8 and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        return Image.fromarray(array)
    raise ValueError(
        f"{name} is a {type(image).__name__}, which is no image: pass a Pillow image, a path, encoded bytes or a "
        "uint8 array (height, width, 3)."
    )


def _open_file(file: Any, name: str) -> Image.Image:
    """Open a path or a stream; HEIC, which Pillow itself does not know, by the plugin of pillow-heif."""
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        if not _is_heif(file):
            raise
    try:
        import pillow_heif
    except ImportError as error:
        raise ValueError(f"{name} is a HEIC image, which needs pillow-heif: pip install 'hf-mlm[heif]'.") from error
    pillow_heif.register_heif_opener()
    return Image.open(file)


def _is_heif(file: Any) -> bool:
    with open(file, "rb") if isinstance(file, (str, os.PathLike)) else nullcontext(file) as stream:
        stream.seek(0)
        head = stream.read(12)
    return head[4:8] == b"ftyp" and head[8:] in HEIF_BRANDS


def _flatten(picture: Image.Image) -> Image.Image:
    """Reduce any of Pillow's modes to RGB."""
    if picture.mode in SIXTEEN_BIT_GREY:
        grey = np.asarray(picture).astype(np.int64).clip(0, 65535) >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        grey = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0, neginf=0).clip(0)
        depth = next((depth for depth in (1, 255) if grey.max() <= depth), 65535)
        return Image.fromarray((grey.clip(0, depth) * (255 / depth)).astype(np.uint8)).convert("RGB")
    if "A" in picture.getbands() or "a" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")
