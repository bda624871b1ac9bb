"""Densities on the sphere: mixtures of von Mises-Fisher distributions, one a row (Mardia and Jupp 2000)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_mlm.geo.distance import EARTH_RADIUS_KM


FloatArray = NDArray[np.float64]
EARTH_AREA_KM2 = 4 * np.pi * EARTH_RADIUS_KM**2
MOST_COMPONENTS = 64  # that a product keeps in each row
_SHIFTS = 5  # steps of the search for a mode
_ROWS = 64  # measured at a time


@dataclass(frozen=True, eq=False)
class SphereDensity:
    """Mixtures of N rows with K components each.

    Args:
        centers: float64 (N, K, 3), unit vectors.
        concentrations: float64 (N, K), at least 0; 0 spreads a component evenly over the sphere.
        weights: float64 (N, K) of sum 1 in each row.

    Example:
        >>> density = SphereDensity.from_points([[48.2, 48.1]], [[16.4, 17.1]], [[0.7, 0.3]], bandwidth_km=20.0)
        >>> [round(degrees.item(), 1) for degrees in density.mode()]
        [48.2, 16.4]
    """

    centers: FloatArray
    concentrations: FloatArray
    weights: FloatArray

    @classmethod
    def from_points(
        cls,
        latitudes: ArrayLike,
        longitudes: ArrayLike,
        weights: ArrayLike,
        bandwidth_km: float,
        background: ArrayLike = 0.0,
    ) -> SphereDensity:
        """Put a kernel on each of K points in each of N rows.

        Args:
            latitudes: (N, K) degrees.
            longitudes: (N, K) degrees.
            weights: (N, K), at least 0, with a positive sum in each row.
            bandwidth_km: standard deviation of a kernel in each direction.
            background: share of each row, one number or (N,), that is spread evenly over the sphere, so that no place
                is impossible.
        """
        centers, shares = unit_vectors(latitudes, longitudes), np.asarray(weights, np.float64)
        count = len(shares)
        even = np.broadcast_to(np.asarray(background, np.float64), count)[:, None]  # (N, 1)
        shares = (1 - even) * shares / shares.sum(axis=1, keepdims=True)
        concentrations = np.full(shares.shape, (EARTH_RADIUS_KM / bandwidth_km) ** 2)
        return cls(
            np.concatenate([centers, np.broadcast_to([1.0, 0.0, 0.0], (count, 1, 3))], axis=1),
            np.concatenate([concentrations, np.zeros((count, 1))], axis=1),
            np.concatenate([shares, even], axis=1),
        )

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, rows: slice) -> SphereDensity:
        return SphereDensity(self.centers[rows], self.concentrations[rows], self.weights[rows])

    def __mul__(self, other: SphereDensity) -> SphereDensity:
        """Multiply row by row and normalise: a mixture again, of which the `MOST_COMPONENTS` heaviest stay."""
        count = len(self)
        sums = self.concentrations[..., None] * self.centers  # (N, K, 3)
        sums = sums[:, :, None] + (other.concentrations[..., None] * other.centers)[:, None]  # (N, K, L, 3)
        concentrations = np.linalg.norm(sums, axis=-1)  # (N, K, L)
        fallback = np.broadcast_to([1.0, 0.0, 0.0], sums.shape)
        centers = np.divide(sums, concentrations[..., None], out=fallback.copy(), where=concentrations[..., None] > 0)
        with np.errstate(divide="ignore"):
            logs = (np.log(self.weights) + _log_peak(self.concentrations))[:, :, None]
            logs = logs + (np.log(other.weights) + _log_peak(other.concentrations))[:, None]
        # The exponent of both at the new centre, from chords, which keep their digits where cosines are all but 1.
        away = _half_chords(self.centers[:, :, None], centers) * self.concentrations[:, :, None]
        away = away + _half_chords(other.centers[:, None], centers) * other.concentrations[:, None]
        logs = (logs - away - _log_peak(concentrations)).reshape(count, -1)  # (N, K L)
        kept = np.argsort(-logs, axis=1, kind="stable")[:, :MOST_COMPONENTS]
        shares = np.exp(np.take_along_axis(logs, kept, 1) - logs.max(axis=1, keepdims=True))
        return SphereDensity(
            np.take_along_axis(centers.reshape(count, -1, 3), kept[..., None], 1),
            np.take_along_axis(concentrations.reshape(count, -1), kept, 1),
            shares / shares.sum(axis=1, keepdims=True),
        )

    def log_density(self, points: FloatArray) -> FloatArray:
        """Logarithm of the density per steradian.

        Args:
            points: (N, P, 3) unit vectors, or (1, P, 3) for all rows.

        Returns:
            (N, P).
        """
        peaks = _log_peak(self.concentrations)[:, None]  # (N, 1, K)
        away = _half_chords(points[:, :, None], self.centers[:, None]) * self.concentrations[:, None]  # (N, P, K)
        with np.errstate(divide="ignore"):
            return _log_sum_exp(np.log(self.weights)[:, None] + peaks - away)

    def mode(self) -> tuple[FloatArray, FloatArray]:
        """Find the place of the largest density: the best centre, moved uphill by mean shift.

        Returns:
            Latitudes and longitudes in degrees, both (N,).
        """
        parts = [self[start : start + _ROWS]._mode() for start in range(0, len(self), _ROWS)]
        vectors = np.concatenate(parts) if parts else np.zeros((0, 3))
        return to_degrees(vectors)

    def _mode(self) -> FloatArray:
        heights = self.log_density(self.centers)  # (N, K)
        best = heights.argmax(axis=1)
        points = np.take_along_axis(self.centers, best[:, None, None], axis=1)  # (N, 1, 3)
        logs = np.log(np.maximum(self.weights, 1e-300)) + _log_peak(self.concentrations)
        for _ in range(_SHIFTS):
            pulls = logs - _half_chords(points, self.centers) * self.concentrations  # (N, K)
            pulls = np.exp(pulls - pulls.max(axis=1, keepdims=True)) * self.concentrations
            sums = (pulls[..., None] * self.centers).sum(axis=1, keepdims=True)  # (N, 1, 3)
            lengths = np.linalg.norm(sums, axis=-1, keepdims=True)
            points = np.where(lengths > 0, sums / np.maximum(lengths, 1e-300), points)
        return points[:, 0]

    def spread_km(self, latitudes: ArrayLike, longitudes: ArrayLike) -> FloatArray:
        """Mean distance to a place, each component taken as its root mean square: (N,) km.

        Args:
            latitudes: (N,) degrees.
            longitudes: (N,) degrees.
        """
        squares = _half_chords(unit_vectors(latitudes, longitudes)[:, None], self.centers)  # (N, K)
        angles = 2 * np.arcsin(np.sqrt(np.clip(squares / 2, 0, 1)))
        own = 2 / np.maximum(self.concentrations, 2 / (np.pi / 2) ** 2)  # mean square angle within a component
        angles = np.where(self.concentrations > 1, angles, 0.0)  # from an even spread every place is as far
        return EARTH_RADIUS_KM * (self.weights * np.minimum(np.sqrt(angles**2 + own), np.pi)).sum(axis=1)

    def areas_km2(self, latitudes: ArrayLike, longitudes: ArrayLike, samples: int = 512, seed: int = 0) -> FloatArray:
        """Measure the smallest region that holds a place: all that is at least as probable.

        Args:
            latitudes: (N,) degrees.
            longitudes: (N,) degrees.
            samples: random points of each row, half of them of the density and half spread evenly.
            seed: of the points.

        Returns:
            (N,) km², with a relative error of a tenth or so.
        """
        generator = np.random.default_rng(seed)
        places = unit_vectors(latitudes, longitudes)[:, None]  # (N, 1, 3)
        areas = []
        for start in range(0, len(self), _ROWS):
            part = self[start : start + _ROWS]
            points = part._sample(samples, generator)  # (rows, samples, 3)
            logs = part.log_density(points)
            drawn = np.logaddexp(logs, -np.log(4 * np.pi)) - np.log(2)  # of what the points were drawn from
            inside = logs >= part.log_density(places[start : start + _ROWS])
            areas.append((inside * np.exp(-drawn)).mean(axis=1) * EARTH_RADIUS_KM**2)
        return np.minimum(np.concatenate([np.zeros(0), *areas]), EARTH_AREA_KM2)

    def _sample(self, count: int, generator: np.random.Generator) -> FloatArray:
        """Draw points, (N, count, 3): the first half of the mixture, the second half of the whole sphere."""
        rows, half = len(self), count // 2
        ends = self.weights.cumsum(axis=1)
        levels = (np.arange(half) + generator.random((rows, 1))) / half * ends[:, -1:]
        chosen = (levels[..., None] >= ends[:, None]).sum(axis=-1).clip(max=ends.shape[1] - 1)  # (N, half)
        concentrations = np.take_along_axis(self.concentrations, chosen, 1)
        centers = np.take_along_axis(self.centers, chosen[..., None], 1)
        points = [_around(centers, concentrations, generator)]
        points.append(_around(np.broadcast_to([1.0, 0.0, 0.0], (rows, count - half, 3)), 0.0, generator))
        return np.concatenate(points, axis=1)


def unit_vectors(latitudes: ArrayLike, longitudes: ArrayLike) -> FloatArray:
    """Turn degrees into points of the unit sphere, (..., 3)."""
    degrees = np.broadcast_arrays(np.asarray(latitudes, np.float64), np.asarray(longitudes, np.float64))
    phi, theta = np.radians(degrees[0]), np.radians(degrees[1])
    return np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=-1)


def to_degrees(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Turn directions (..., 3) of any length into latitudes and longitudes, both (...)."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))


def _log_peak(concentrations: FloatArray) -> FloatArray:
    """Logarithm of a component's density at its centre; 1 / 4π where it is spread evenly."""
    safe = np.maximum(concentrations, 1e-9)
    return np.where(
        concentrations > 1e-9, np.log(safe / (2 * np.pi)) - np.log(-np.expm1(-2 * safe)), -np.log(4 * np.pi)
    )


def _half_chords(a: FloatArray, b: FloatArray) -> FloatArray:
    """One minus the cosine between unit vectors, from the chord."""
    return ((a - b) ** 2).sum(axis=-1) / 2


def _log_sum_exp(logs: FloatArray) -> FloatArray:
    largest = logs.max(axis=-1)
    return largest + np.log(np.exp(logs - largest[..., None]).sum(axis=-1))


def _around(centers: FloatArray, concentrations: ArrayLike, generator: np.random.Generator) -> FloatArray:
    """Draw a point of each component (Wood 1994): its height along the centre, then a direction around it."""
    kappa = np.broadcast_to(np.maximum(concentrations, 1e-9), centers.shape[:-1])
    uniform = generator.random(kappa.shape)
    below = -np.log(uniform + (1 - uniform) * np.exp(-2 * kappa)) / kappa  # one minus the height
    turn = 2 * np.pi * generator.random(kappa.shape)
    helper = np.where(np.abs(centers[..., 2:]) < 0.9, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    east = np.cross(helper, centers)
    east /= np.linalg.norm(east, axis=-1, keepdims=True)
    ring = np.cos(turn)[..., None] * east + np.sin(turn)[..., None] * np.cross(centers, east)
    sine = np.sqrt(np.clip(below * (2 - below), 0, 1))[..., None]
    return (1 - below)[..., None] * centers + sine * ring
