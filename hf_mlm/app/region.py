"""A part of the world in more detail, around one place."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from hf_mlm.geo.distance import EARTH_RADIUS_KM
from hf_mlm.reporting.maps import Window


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
