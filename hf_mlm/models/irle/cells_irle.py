"""Positions with radii: from the probabilities of cells, and from the known entities that resemble a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hf_mlm.geo import s2
from hf_mlm.geo.conformal import conformal_radii
from hf_mlm.geo.density import SphereDensity, to_degrees, unit_vectors
from hf_mlm.geo.distance import EARTH_RADIUS_KM, great_circle_distance
from hf_mlm.geo.partition import GeoCellPartition


FloatArray = NDArray[np.float64]
STRATEGIES = ("neighbours", "mean", "best")
MODALITIES = ("image", "text")
UNKNOWN_CELL, ABSENT = -1, -100  # of an entity without a cell, of a row without the modality
NEIGHBOURS = 32  # known entities that speak for a query
BACKGROUND = 0.02  # of a density, spread over the whole earth: all of them may be wrong
_ROWS = 1024  # located at a time, so that a large batch needs little memory


class GeoPrediction(NamedTuple):
    """Estimated positions; all (batch,) float64.

    Args:
        latitudes: degrees.
        longitudes: degrees in [-180, 180].
        radius_km: the circle that holds the share that was asked for: of new entities where the model was calibrated,
            else of the probability.
    """

    latitudes: FloatArray
    longitudes: FloatArray
    radius_km: FloatArray


class GeoCells(NamedTuple):
    """Positions of the classes of a geo head.

    Args:
        latitudes: (cells,) degrees of a position in each cell: its centre, or what the configuration says.
        longitudes: (cells,) degrees, as ``latitudes``.
        radii_km: (cells,) radius of the circle around the position that covers the cell.
    """

    latitudes: FloatArray
    longitudes: FloatArray
    radii_km: FloatArray

    @classmethod
    def from_config(cls, config: Any) -> GeoCells:
        """Read the positions of a configuration's cells; what it does not say follows from the S2 tokens.

        Cells known by their positions alone are given the distance to the nearest other one as their radius.

        Args:
            config: an `IRLEConfig`.

        Raises:
            ValueError: if the configuration tells neither tokens nor positions.
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
        """Estimate a position and its uncertainty from each row of logits.

        Args:
            geo_logits: (batch, cells), an array or a tensor.
            strategy: ``"mean"``: the spherical mean of the positions of the ``top_k`` most probable cells, weighted by
                probability; ``"best"``: the position of the most probable cell.
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
        if strategy not in STRATEGIES[1:]:
            raise ValueError(f"strategy={strategy!r} must be one of {', '.join(map(repr, STRATEGIES))}.")
        if top_k < 1 or not 0 < share <= 1:
            raise ValueError(f"top_k={top_k} must be at least 1 and share={share} in (0, 1].")
        parts = []
        for start in range(0, len(logits), _ROWS):
            probabilities = np.exp(log_softmax(logits[start : start + _ROWS].astype(np.float64)))  # (rows, cells)
            positions = self.positions(probabilities, 1 if strategy == "best" else top_k)
            parts.append((*positions, self._radius(probabilities, *positions, share)))
        columns = zip(*parts, strict=True) if parts else ([np.zeros(0)],) * 3
        return GeoPrediction(*(np.concatenate(column) for column in columns))

    def positions(self, probabilities: FloatArray, top_k: int) -> tuple[FloatArray, FloatArray]:
        """Average each row's ``top_k`` most probable cells on the sphere, by weight: degrees, twice (rows,)."""
        top_k = min(top_k, probabilities.shape[1])
        top = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]  # (rows, top_k)
        vectors = unit_vectors(self.latitudes, self.longitudes)[top]  # (rows, top_k, 3)
        mean = (np.take_along_axis(probabilities, top, axis=1)[..., None] * vectors).sum(axis=1)  # (rows, 3)
        latitudes, longitudes = to_degrees(mean)
        balanced = np.linalg.norm(mean, axis=1) < 1e-9  # antipodes have no mean: take the best cell
        exact, best = balanced | (top_k == 1), top[:, 0]
        return np.where(exact, self.latitudes[best], latitudes), np.where(exact, self.longitudes[best], longitudes)

    def spread_km(self, probabilities: FloatArray, latitudes: FloatArray, longitudes: FloatArray) -> FloatArray:
        """Distance from each row's position that its probabilities let one expect, (rows,) km."""
        distances = great_circle_distance(latitudes[:, None], longitudes[:, None], self.latitudes, self.longitudes)
        return (probabilities * np.hypot(distances, self.radii_km / 2)).sum(
            axis=1
        )  # half a radius: mean within a cell

    def _radius(
        self, probabilities: FloatArray, latitudes: FloatArray, longitudes: FloatArray, share: float
    ) -> FloatArray:
        distances = great_circle_distance(latitudes[:, None], longitudes[:, None], self.latitudes, self.longitudes)
        reach = np.minimum(distances + self.radii_km, np.pi * EARTH_RADIUS_KM)  # (rows, cells) to a cell's far side
        order = np.argsort(reach, axis=1)
        inside = np.take_along_axis(probabilities, order, axis=1).cumsum(axis=1)
        enough = np.argmax(inside >= share * inside[:, -1:], axis=1)[:, None]  # (rows, 1)
        return np.take_along_axis(np.take_along_axis(reach, order, axis=1), enough, axis=1)[:, 0]


class KnownEntities(Protocol):
    """What `Locator` asks of a gallery, such as `hf_mlm.runs.gallery.Gallery`."""

    @property
    def positions(self) -> FloatArray:
        """Degrees of latitude and longitude, (entities, 2); NaN where they are not known."""

    def search(self, queries: Any, modality: str, top_k: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Similarities and rows of the nearest entities, both (queries, top_k); row -1 is none."""


class Locator:
    """Answers of a model as positions with radii, by one of three strategies.

    ``"neighbours"``: the mode of a density on the sphere, a kernel on each of the `NEIGHBOURS` known entities of the
    same modality that resemble the query most, weighted by similarity and by the probability of their cell; densities
    of image and text are multiplied. ``"mean"`` and ``"best"``: as in `GeoCells.locate`.

    Args:
        config: an `IRLEConfig`. Its ``calibration`` holds the kernels, the temperatures of the cells, and the
            quantiles that make radii hold the share of new entities that is asked for; without it radii hold that
            share of the probability, which is not the same.
        gallery: known entities, embedded by the same model.

    Raises:
        ValueError: if the configuration tells no positions of its cells.
    """

    def __init__(self, config: Any, gallery: KnownEntities | None = None):
        self.config, self.cells = config, GeoCells.from_config(config)
        self.calibration: Mapping[str, Any] = config.calibration or {}
        located = gallery is not None and "retrieval" in config.tasks and np.isfinite(gallery.positions).any()
        self.gallery = gallery if located else None
        if self.gallery is not None:
            self._known = _entities_in_cells(self.gallery, config.cell_tokens)

    @property
    def strategy(self) -> str:
        """The best strategy that there is everything for."""
        return "neighbours" if self.gallery is not None and self.calibration.get("kernels") else "mean"

    def locate(
        self,
        outputs: Mapping[str, Mapping[str, Any]],
        strategy: str | None = None,
        top_k: int = 5,
        share: float = 0.5,
    ) -> GeoPrediction:
        """Estimate a position and its radius for each row.

        Args:
            outputs: for ``"image"``, ``"text"`` or both, the same rows: ``geo_logits`` (batch, cells), and ``embeds``
                (batch, embedding_size) for the neighbours.
            strategy: one of `STRATEGIES`; `strategy` when omitted.
            top_k: cells that ``"mean"`` averages.
            share: of new entities, in (0, 1), that the circle is to hold; see the class.

        Raises:
            ValueError: if the strategy or the share does not fit, or there are no neighbours.
        """
        latitudes, longitudes, radii = self.circles(outputs, (share,), strategy, top_k)
        return GeoPrediction(latitudes, longitudes, radii[:, 0])

    def circles(
        self,
        outputs: Mapping[str, Mapping[str, Any]],
        shares: Sequence[float],
        strategy: str | None = None,
        top_k: int = 5,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Estimate positions in degrees, both (batch,), and radii in km for several shares, (batch, shares)."""
        strategy = strategy or self.strategy
        quantiles = self.quantiles(joined(outputs), strategy)
        if strategy != "neighbours" and quantiles is None:
            logs = self.log_probabilities(outputs)
            answers = [self.cells.locate(logs, strategy, top_k, share) for share in shares]
            return answers[0].latitudes, answers[0].longitudes, np.stack([each.radius_km for each in answers], axis=1)
        latitudes, longitudes, spreads = self.positions(outputs, strategy, top_k)
        radii = [conformal_radii(quantiles or [None], spreads, share) for share in shares]
        return latitudes, longitudes, np.stack(radii, axis=1)

    def quantiles(self, modalities: str, strategy: str | None = None) -> list[float | None] | None:
        """Those of `conformal_quantiles` that radii follow, None where they were not calibrated."""
        return self.calibration.get("quantiles", {}).get(modalities, {}).get(strategy or self.strategy)

    def positions(
        self, outputs: Mapping[str, Mapping[str, Any]], strategy: str, top_k: int = 5
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Positions in degrees and the expected distances to them in km, each (batch,); arguments as for `locate`."""
        if strategy == "neighbours":
            density = self.density(outputs)
            latitudes, longitudes = density.mode()
            return latitudes, longitudes, density.spread_km(latitudes, longitudes)
        if strategy not in STRATEGIES:
            raise ValueError(f"strategy={strategy!r} must be one of {', '.join(map(repr, STRATEGIES))}.")
        probabilities = np.exp(self.log_probabilities(outputs))
        latitudes, longitudes = self.cells.positions(probabilities, 1 if strategy == "best" else top_k)
        return latitudes, longitudes, self.cells.spread_km(probabilities, latitudes, longitudes)

    def log_probabilities(self, outputs: Mapping[str, Mapping[str, Any]]) -> FloatArray:
        """Logarithms of the cells' probabilities, (batch, cells): the mean over the modalities, normalised again.

        Logits are divided by the temperature that was fitted on held-out entities, if any; and where the model learned
        coarser cells as well and that was found to help, each cell's probability is multiplied by its parents'.
        """
        parts = [self._cell_scores(modality, output["geo_logits"]) for modality, output in outputs.items()]
        return log_softmax(np.mean(parts, axis=0))

    def _cell_scores(self, modality: str, geo_logits: Any) -> FloatArray:
        logits = _to_numpy(geo_logits).astype(np.float64) / self.calibration.get("temperatures", {}).get(modality, 1.0)
        scores = log_softmax(logits)
        if self.calibration.get("hierarchy"):
            for level in self.config.hierarchy_levels:
                groups = coarse_groups(self.config.cell_tokens, level)  # (cells,)
                sums = np.exp(scores) @ (groups[:, None] == np.arange(groups.max() + 1))  # (batch, coarse cells)
                scores = log_softmax(scores + np.log(np.maximum(sums, 1e-300))[:, groups])
        return scores

    def density(self, outputs: Mapping[str, Mapping[str, Any]]) -> SphereDensity:
        """Density of the position of each row, from its neighbours.

        Raises:
            ValueError: if there is no gallery, or the model was not calibrated with one.
        """
        if self.gallery is None or not self.calibration.get("kernels"):
            raise ValueError(
                "Expected the gallery of the run, calibrated with it, for strategy='neighbours', found none: open the "
                "run's own folder, or choose strategy='mean'."
            )
        product: SphereDensity | None = None
        for modality, output in outputs.items():
            kernel = self.calibration["kernels"][modality]
            found = self.neighbours(modality, output["embeds"], output["geo_logits"])
            part = kernel_density(found, **kernel)
            product = part if product is None else product * part
        assert product is not None
        return product

    def neighbours(self, modality: str, embeds: Any, geo_logits: Any) -> Neighbours:
        """Look up the known entities that resemble each row; arguments as in the outputs of `locate`."""
        assert self.gallery is not None
        similarities, rows = self.gallery.search(torch.as_tensor(embeds), modality, NEIGHBOURS)  # (batch, neighbours)
        positions, cells = self._known
        scores = np.concatenate([self._cell_scores(modality, geo_logits), np.zeros((len(rows), 1))], axis=1)
        chosen = np.take_along_axis(scores, cells[rows], axis=1)  # 0 where the cell is not known
        unknown = (rows < 0) | ~np.isfinite(positions[rows]).all(axis=-1)
        return Neighbours(
            np.where(unknown, 0.0, positions[rows][..., 0]),
            np.where(unknown, 0.0, positions[rows][..., 1]),
            np.where(unknown, -np.inf, similarities),
            chosen,
        )


class Neighbours(NamedTuple):
    """Known entities that resemble N queries, each (N, neighbours).

    Args:
        latitudes: degrees.
        longitudes: degrees.
        similarities: minus infinity where there is none.
        cell_scores: logarithm of the probability of their cell.
    """

    latitudes: FloatArray
    longitudes: FloatArray
    similarities: FloatArray
    cell_scores: FloatArray


def kernel_density(found: Neighbours, temperature: float, cell_weight: float, bandwidth_km: float) -> SphereDensity:
    """Put a kernel on each neighbour.

    Args:
        found: neighbours of each row.
        temperature: of the softmax over similarities; a small one leaves the nearest alone.
        cell_weight: exponent of the probability of a neighbour's cell; 0 leaves cells aside.
        bandwidth_km: of the kernels.
    """
    logs = found.similarities / temperature + cell_weight * found.cell_scores
    none = np.logical_not(np.isfinite(logs).any(axis=1, keepdims=True)).reshape(-1, 1)  # (N, 1)
    weights = np.where(none, 1.0, np.exp(logs - np.where(none, 0.0, logs.max(axis=1, keepdims=True))))
    background = np.where(none[:, 0], 1.0, BACKGROUND)  # (N,)
    return SphereDensity.from_points(found.latitudes, found.longitudes, weights, bandwidth_km, background)


def joined(modalities: Any) -> str:
    """Name a set of modalities: ``"image"``, ``"text"`` or ``"image+text"``.

    Example:
        >>> joined({"text": {}, "image": {}})
        'image+text'
    """
    return "+".join(name for name in MODALITIES if name in modalities)


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


def log_softmax(logits: FloatArray) -> FloatArray:
    """Logarithms of the probabilities of (batch, classes)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _entities_in_cells(gallery: KnownEntities, tokens: list[str] | None) -> tuple[FloatArray, NDArray[np.int64]]:
    """Positions (entities + 1, 2) and cells (entities + 1,) of a gallery, -1 where unknown; the last is none."""
    positions = np.concatenate([gallery.positions, [[np.nan, np.nan]]])
    cells = np.full(len(positions), UNKNOWN_CELL)
    known = np.isfinite(positions).all(axis=1)
    if tokens is not None:
        cells[known] = GeoCellPartition.from_tokens(tokens).assign(*positions[known].T)
    return positions, cells


def _farthest_corner(tokens: list[str], latitudes: FloatArray, longitudes: FloatArray) -> FloatArray:
    """Distance from a position within each cell to its farthest point, which is a corner: (cells,) km."""
    corners = s2.corners(s2.from_tokens(tokens))  # twice (cells, 4)
    return great_circle_distance(latitudes[:, None], longitudes[:, None], *corners).max(axis=1)


def _nearest_other(latitudes: FloatArray, longitudes: FloatArray) -> FloatArray:
    distances = great_circle_distance(latitudes[:, None], longitudes[:, None], latitudes, longitudes)
    np.fill_diagonal(distances, np.inf)
    return np.minimum(distances.min(axis=1), np.pi * EARTH_RADIUS_KM)


def _to_numpy(values: Any) -> NDArray[Any]:
    return values.detach().cpu().double().numpy() if hasattr(values, "detach") else np.asarray(values)
