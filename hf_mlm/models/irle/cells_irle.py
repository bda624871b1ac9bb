"""From probabilities of cells to places on the earth."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from hf_mlm.geo import s2
from hf_mlm.geo.distance import EARTH_RADIUS_KM, great_circle_distance
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.models.irle.configuration_irle import IRLEConfig


FloatArray = NDArray[np.float64]
STRATEGIES = ("mean", "best")
_ROWS = 1024  # located at a time, so that a large gallery needs little memory


class GeoPrediction(NamedTuple):
    """Estimated places; all (batch,) float64.

    Args:
        latitudes: degrees.
        longitudes: degrees in [-180, 180].
        radius_km: the circle around the place that holds the share of the probability that was asked for.
    """

    latitudes: FloatArray
    longitudes: FloatArray
    radius_km: FloatArray


class GeoCells(NamedTuple):
    """Where the classes of a geo head lie.

    Args:
        latitudes: (cells,) degrees of a place in each cell: its centre, or where the configuration says.
        longitudes: (cells,) degrees, as ``latitudes``.
        radii_km: (cells,) radius of the circle around the place that covers the cell.
    """

    latitudes: FloatArray
    longitudes: FloatArray
    radii_km: FloatArray

    @classmethod
    def from_config(cls, config: Any) -> GeoCells:
        """Read the places of a configuration's cells; what it does not say follows from the S2 tokens.

        Cells known by their places alone are given the distance to the nearest other place as their radius.

        Args:
            config: an `IRLEConfig`.

        Raises:
            ValueError: if the configuration tells neither tokens nor places.
        """
        if config.cell_tokens is None and config.cell_latitudes is None:
            raise ValueError(
                f"this model has {config.num_geo_cells} cells and no map of them: configure cell_tokens, or "
                "cell_latitudes and cell_longitudes."
            )
        if config.cell_latitudes is not None:
            latitudes, longitudes = (
                np.asarray(x, np.float64) for x in (config.cell_latitudes, config.cell_longitudes)
            )
        else:
            latitudes, longitudes = GeoCellPartition.from_tokens(config.cell_tokens).centers
        if config.cell_radii_km is not None:
            return cls(latitudes, longitudes, np.asarray(config.cell_radii_km, np.float64))
        if config.cell_tokens is not None:
            return cls(latitudes, longitudes, _farthest_corner(config.cell_tokens, latitudes, longitudes))
        return cls(latitudes, longitudes, _nearest_other(latitudes, longitudes))

    def locate(
        self, geo_logits: ArrayLike, strategy: str = "mean", top_k: int = 5, share: float = 0.5
    ) -> GeoPrediction:
        """Estimate a place and its uncertainty from each row of logits.

        Args:
            geo_logits: (batch, cells), an array or a tensor.
            strategy: ``"mean"``: the spherical mean of the places of the ``top_k`` most probable cells, weighted by
                probability; ``"best"``: the place of the most probable cell.
            top_k: how many cells are averaged.
            share: part of the probability, in (0, 1], that ``radius_km`` takes in: the cells that lie entirely within
                the circle have at least this much together.

        Raises:
            ValueError: if the number of cells, the strategy, ``top_k`` or ``share`` does not fit.

        Example:
            >>> cells = GeoCells(np.array([0.0, 0.0]), np.array([179.0, -179.0]), np.array([50.0, 50.0]))
            >>> place = cells.locate([[0.0, 0.0]])
            >>> abs(place.longitudes.item()), round(place.radius_km.item())
            (180.0, 161)
        """
        logits = _to_numpy(geo_logits)
        if logits.ndim != 2 or logits.shape[1] != len(self.latitudes):
            raise ValueError(f"geo_logits has shape {logits.shape}; this map has (batch, {len(self.latitudes)}).")
        if strategy not in STRATEGIES:
            raise ValueError(f"strategy={strategy!r} must be one of {', '.join(map(repr, STRATEGIES))}.")
        if top_k < 1 or not 0 < share <= 1:
            raise ValueError(f"top_k={top_k} must be at least 1 and share={share} in (0, 1].")
        parts = []
        for start in range(0, len(logits), _ROWS):
            probabilities = _softmax(logits[start : start + _ROWS].astype(np.float64))  # (rows, cells)
            places = self._places(probabilities, 1 if strategy == "best" else min(top_k, logits.shape[1]))
            parts.append((*places, self._radius(probabilities, *places, share)))
        columns = zip(*parts, strict=True) if parts else ([np.zeros(0)],) * 3
        return GeoPrediction(*(np.concatenate(column) for column in columns))

    def _places(self, probabilities: FloatArray, top_k: int) -> tuple[FloatArray, FloatArray]:
        """Weighted spherical mean of each row's ``top_k`` most probable cells: degrees, twice (rows,)."""
        top = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]  # (rows, top_k)
        vectors = unit_vectors(self.latitudes, self.longitudes)[top]  # (rows, top_k, 3)
        mean = (np.take_along_axis(probabilities, top, axis=1)[..., None] * vectors).sum(axis=1)  # (rows, 3)
        latitudes = np.degrees(np.arctan2(mean[:, 2], np.hypot(mean[:, 0], mean[:, 1])))
        longitudes = np.degrees(np.arctan2(mean[:, 1], mean[:, 0]))
        balanced = np.linalg.norm(mean, axis=1) < 1e-9  # antipodes have no mean: take the best place
        exact, best = balanced | (top_k == 1), top[:, 0]
        return np.where(exact, self.latitudes[best], latitudes), np.where(exact, self.longitudes[best], longitudes)

    def _radius(
        self, probabilities: FloatArray, latitudes: FloatArray, longitudes: FloatArray, share: float
    ) -> FloatArray:
        distances = great_circle_distance(latitudes[:, None], longitudes[:, None], self.latitudes, self.longitudes)
        reach = np.minimum(distances + self.radii_km, np.pi * EARTH_RADIUS_KM)  # (rows, cells) to a cell's far side
        order = np.argsort(reach, axis=1)
        inside = np.take_along_axis(probabilities, order, axis=1).cumsum(axis=1)
        enough = np.argmax(inside >= share * inside[:, -1:], axis=1)[:, None]  # (rows, 1)
        return np.take_along_axis(np.take_along_axis(reach, order, axis=1), enough, axis=1)[:, 0]


def coarse_groups(tokens: list[str], level: int) -> NDArray[np.int64]:
    """Number the coarse cells that fine ones belong to; a cell that is no finer than ``level`` stays by itself.

    Args:
        tokens: S2 tokens of the fine cells.
        level: S2 level of the coarse ones.

    Returns:
        (cells,) int64; equal numbers share a coarse cell.

    Example:
        >>> coarse_groups(["0d", "0f", "1"], level=1)
        array([0, 0, 1])
    """
    ids = s2.from_tokens(tokens)
    fine = s2.levels(ids) > level
    ids[fine] = s2.parents(ids[fine], level)
    return np.unique(ids, return_inverse=True)[1].astype(np.int64)


def unit_vectors(latitudes: FloatArray, longitudes: FloatArray) -> FloatArray:
    """Turn degrees into points of the unit sphere, (..., 3)."""
    phi, theta = np.radians(latitudes), np.radians(longitudes)
    return np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=-1)


def _farthest_corner(tokens: list[str], latitudes: FloatArray, longitudes: FloatArray) -> FloatArray:
    """Distance from a place within each cell to its farthest point, which is a corner: (cells,) km."""
    corners = s2.corners(s2.from_tokens(tokens))  # twice (cells, 4)
    return great_circle_distance(latitudes[:, None], longitudes[:, None], *corners).max(axis=1)


def _nearest_other(latitudes: FloatArray, longitudes: FloatArray) -> FloatArray:
    distances = great_circle_distance(latitudes[:, None], longitudes[:, None], latitudes, longitudes)
    np.fill_diagonal(distances, np.inf)
    return np.minimum(distances.min(axis=1), np.pi * EARTH_RADIUS_KM)


def _softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _to_numpy(values: Any) -> NDArray[Any]:
    return values.detach().cpu().double().numpy() if hasattr(values, "detach") else np.asarray(values)


UNKNOWN_CELL, ABSENT = -1, -100  # of an entity without a cell, of a row without the modality


class CellLoss(nn.Module):
    r"""Cross-entropy of cells, with smoothed targets and coarser levels where the configuration asks for them.

    With smoothing, cell i's target is proportional to :math:`e^{-d_i / \tau}`, where :math:`d_i` is the great-circle
    distance of its place to that of the true cell (Haas et al. 2024, with cells in place of exact places). Each
    coarser level adds the cross-entropy of its cells, whose probability is the sum over the fine ones within.

    Args:
        config: tells ``geo_label_smoothing_km``, ``hierarchy_levels`` and the cells.
    """

    centers: torch.Tensor

    def __init__(self, config: IRLEConfig):
        super().__init__()
        self.config = config
        for name, values in self.maps().items():  # follow from the configuration, so checkpoints leave them out
            self.register_buffer(name, values, persistent=False)

    def maps(self) -> dict[str, torch.Tensor]:
        """What the loss has to know of the earth: ``centers`` (cells, 3) and ``groups`` (levels, cells)."""
        maps = {}
        if self.config.geo_label_smoothing_km is not None:
            cells = GeoCells.from_config(self.config)
            maps["centers"] = torch.from_numpy(unit_vectors(cells.latitudes, cells.longitudes)).float()
        if self.config.hierarchy_levels and self.config.cell_tokens:
            groups = [coarse_groups(self.config.cell_tokens, level) for level in self.config.hierarchy_levels]
            maps["groups"] = torch.from_numpy(np.stack(groups))
        return maps

    def _apply(self, *args: Any, **kwargs: Any) -> CellLoss:
        """Follow the model to its device, but not to half precision, in which places would be kilometres off."""
        super()._apply(*args, **kwargs)
        if "centers" in self._buffers:
            self.centers = self.maps()["centers"].to(self.centers.device)
        return self

    def forward(self, geo_logits: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """Average over the rows whose cell is known.

        Args:
            geo_logits: (batch, cells).
            cells: int64 (batch,), `UNKNOWN_CELL` or -100 where there is none.

        Returns:
            Scalar; 0 if no cell is known.

        Raises:
            ValueError: on CPU, if a cell is none of the configuration's.
        """
        _check_cells(cells, geo_logits.shape[1])
        known = cells > UNKNOWN_CELL
        log_probs = geo_logits.float().log_softmax(dim=-1)  # (batch, cells)
        targets = cells.clamp(min=0)
        losses = self._fine(log_probs, targets)  # (batch,)
        for groups in getattr(self, "groups", ()):
            outside = groups != groups[targets, None]  # (batch, cells)
            losses = losses - log_probs.masked_fill(outside, -torch.inf).logsumexp(dim=-1)
        return (losses * known).sum() / known.sum().clamp(min=1)

    def _fine(self, log_probs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.config.geo_label_smoothing_km is None:
            return -log_probs.gather(1, targets[:, None])[:, 0]
        chords = torch.cdist(self.centers[targets], self.centers, compute_mode="donot_use_mm_for_euclid_dist")
        distances = 2 * EARTH_RADIUS_KM * (chords / 2).clamp(max=1).asin()  # (batch, cells) km
        weights = (-distances / self.config.geo_label_smoothing_km).softmax(dim=-1)
        return -(weights * log_probs).sum(dim=-1)


def _check_cells(cells: torch.Tensor, count: int) -> None:
    if cells.device.type != "cpu" or torch.compiler.is_compiling():
        return
    wrong = (cells >= count) | ((cells < UNKNOWN_CELL) & (cells != ABSENT))
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"cells must be 0 to {count - 1}, or {UNKNOWN_CELL} where there is none, got {int(cells[row])} at row "
            f"{row}: configure num_geo_cells, or the cells themselves, as the dataset has them."
        )
