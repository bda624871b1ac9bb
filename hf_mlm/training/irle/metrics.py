"""Metrics of IR+LE for a Trainer; logits of cells never leave the device that made them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import EvalPrediction

from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.metrics.functional.geo import calibration_scores, coverage_scores, geo_report
from hf_mlm.metrics.functional.retrieval import retrieval_report
from hf_mlm.models.irle.cells_irle import ABSENT, MODALITIES, KnownEntities, Locator
from hf_mlm.runs.gallery import POSITION


DIRECTIONS = ("image_to_text", "text_to_image")
POSITIONS = (POSITION, ("cell_latitude", "cell_longitude"))
COVERED = (0.5, 0.8, 0.9)  # shares whose radii are scored


class RetrievalAndGeoMetrics:
    """Retrieval in both directions and location estimation of both modalities, for a Trainer.

    ``reduce`` is its ``preprocess_logits_for_metrics`` and ``of(rows)`` its ``compute_metrics``.

    Metrics are ``mean_medR`` (of both directions; choose the best checkpoint by it), ``image_to_text_medR``,
    ``…_R@10`` and ``…_full_medR`` (whole split instead of pools), likewise ``text_to_image_…``; ``image_f1``,
    ``image_accuracy``, ``image_median_km`` and the rest of `geo_report`, ``image_coverage@50``, ``@80`` and ``@90``
    (share of the entities that lie within the radius for that share), ``image_median_radius_km`` (of 50 %) and
    ``image_calibration_error`` (of the probability of the best cell), likewise ``text_…``. Those of a task that the
    model has not are left out. Positions are those of the best strategy that there is everything for: the neighbours
    where the model is calibrated and there is a gallery, else the mean of the cells.

    Args:
        config: of the model.
        pool_size: candidates that retrieval is measured among (Section 6: 500).
        pools: seeded draws of that many; metrics are means over them.
        gallery: known entities of the model.

    Example:
        >>> from hf_mlm import IRLEConfig
        >>> metrics = RetrievalAndGeoMetrics(IRLEConfig(tasks=["retrieval"]))
        >>> embeds = np.eye(3, dtype=np.float32)
        >>> prediction = EvalPrediction({"image_embeds": embeds, "text_embeds": embeds}, (np.zeros(3), np.zeros(3)))
        >>> metrics.of()(prediction)["mean_medR"]
        1.0
    """

    def __init__(self, config: Any, pool_size: int = 500, pools: int = 10, gallery: KnownEntities | None = None):
        self.config, self.pool_size, self.pools = config, pool_size, pools
        mapped = config.cell_tokens is not None or config.cell_latitudes is not None
        self.locator = Locator(config, gallery) if mapped and "geo" in config.tasks else None

    def named(self, outputs: tuple[torch.Tensor, ...], labels: Any = None) -> dict[str, torch.Tensor]:
        """Name outputs as ``image_embeds``, ``text_embeds``, ``image_logits`` and ``text_logits``; see `reduce`."""
        kinds = [kind for kind, task in (("embeds", "retrieval"), ("logits", "geo")) if task in self.config.tasks]
        names = [f"{modality}_{kind}" for kind in kinds for modality in MODALITIES]
        return dict(zip(names, outputs, strict=True))

    def reduce(self, outputs: tuple[torch.Tensor, ...], labels: Any = None) -> dict[str, torch.Tensor]:
        """Keep embeddings, and of logits the most probable cell and the estimated position.

        Args:
            outputs: fields of `IRLEOutput` after the losses, those of absent tasks left out.
            labels: not used.

        Returns:
            ``image_embeds`` and ``text_embeds`` (batch, embedding_size), ``image_cells`` and ``text_cells`` int64
            (batch,), ``image_places`` and ``text_places`` (batch, 2) degrees of latitude and longitude,
            ``image_radii`` and ``text_radii`` (batch, 4): km for each of `COVERED`, and the best cell's probability.
        """
        reduced = self.named(outputs, labels)
        for modality in MODALITIES:
            logits = reduced.pop(f"{modality}_logits", None)
            if logits is None:
                continue
            reduced[f"{modality}_cells"] = logits.argmax(dim=-1)
            if self.locator is not None:
                found = self._located(modality, logits, reduced.get(f"{modality}_embeds"))
                reduced |= {name: torch.from_numpy(values).to(logits.device) for name, values in found.items()}
        return reduced

    def _located(self, modality: str, logits: torch.Tensor, embeds: torch.Tensor | None) -> dict[str, np.ndarray]:
        assert self.locator is not None
        output = {modality: {"geo_logits": logits, "embeds": embeds}}
        latitudes, longitudes, radii = self.locator.circles(output, COVERED)
        best = np.exp(self.locator.log_probabilities(output).max(axis=1))  # (batch,)
        positions, radii = np.stack([latitudes, longitudes], axis=1), np.column_stack([radii, best])
        return {f"{modality}_places": positions.astype(np.float32), f"{modality}_radii": radii.astype(np.float32)}

    def of(self, rows: Dataset | None = None, resamples: int = 0) -> Callable[[EvalPrediction], dict[str, float]]:
        """Give the ``compute_metrics`` for a split.

        Args:
            rows: the split, in its order, which tells the true positions: the entity's, or its cell's where the files
                know no better. Without it distances are left out.
            resamples: bootstrap draws for 95 % intervals of the retrieval figures, ``…_low`` and ``…_high``.
        """
        positions = None if rows is None else true_positions(rows)

        def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
            if not isinstance(prediction.label_ids, tuple) or len(prediction.label_ids) != len(MODALITIES):
                raise ValueError(
                    "the metrics of IR+LE need the cells, and the Trainer passes none on: set "
                    'label_names=["image_cells", "text_cells"] in TrainingArguments.'
                )
            found: dict[str, np.ndarray] = prediction.predictions
            targets = dict(zip(MODALITIES, prediction.label_ids, strict=True))
            pairs = np.all([cells != ABSENT for cells in targets.values()], axis=0)  # (rows,)
            return {**self._retrieval(found, pairs, resamples), **self._geo(found, targets, positions)}

        return compute_metrics

    def _retrieval(self, found: dict[str, np.ndarray], pairs: np.ndarray, resamples: int) -> dict[str, float]:
        """Compare the rows that have both image and text."""
        if "retrieval" not in self.config.tasks or not pairs.any():
            return {}
        images, texts = (found[f"{modality}_embeds"][pairs] for modality in MODALITIES)  # (pairs, embedding_size) each
        report = retrieval_report(images, texts, self.pool_size, self.pools, resamples=resamples)
        medians = [report[direction]["medR"] for direction in DIRECTIONS]
        figures = {name: report[name] for name in (*DIRECTIONS, "pool_size", "gallery_size")}
        return {"mean_medR": sum(medians) / 2, **_flatten(figures)}

    def _geo(
        self, found: dict[str, np.ndarray], targets: dict[str, np.ndarray], positions: np.ndarray | None
    ) -> dict[str, float]:
        scores: dict[str, float] = {}
        for modality in MODALITIES if "geo" in self.config.tasks else ():
            shown = targets[modality] != ABSENT  # (rows,)
            if not shown.any():
                continue
            report = geo_report(targets[modality][shown], found[f"{modality}_cells"][shown])
            places, radii = found.get(f"{modality}_places"), found.get(f"{modality}_radii")
            if radii is not None:
                right = targets[modality] == found[f"{modality}_cells"]
                known = shown & (targets[modality] >= 0)
                report |= calibration_scores(radii[known, -1], right[known])
            if positions is not None and places is not None and radii is not None:
                report |= _distances(positions, places, radii, shown)
            scores |= {f"{modality}_{name}": value for name, value in report.items()}
        return scores


def true_positions(rows: Dataset) -> np.ndarray | None:
    """Where the entities are.

    Args:
        rows: with ``latitude`` and ``longitude``, or those of the cell.

    Returns:
        float64 (rows, 2) degrees, NaN where a row does not tell; None if no column does.
    """
    for names in POSITIONS:
        if set(names) <= set(rows.column_names):
            return np.array([rows[name][:] for name in names], dtype=np.float64).T
    return None


def _distances(positions: np.ndarray, places: np.ndarray, radii: np.ndarray, shown: np.ndarray) -> dict[str, float]:
    if len(positions) != len(places):
        raise ValueError(
            f"{len(places)} rows were evaluated and {len(positions)} positions are known: pass metrics.of(rows) the "
            "very split that is evaluated."
        )
    known = shown & np.isfinite(positions).all(axis=1)  # (rows,)
    if not known.any():
        return {}
    kilometres = great_circle_distance(*positions[known].T, *places[known].astype(np.float64).T)
    covered = {share: radii[known, column] for column, share in enumerate(COVERED)}
    scores = geo_report(target_coordinates=positions[known], predicted_coordinates=places[known])
    return scores | coverage_scores(kilometres, covered)


def _flatten(report: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """``{"image_to_text": {"medR": 2, "intervals": {"medR": (1, 3)}}}`` to ``image_to_text_medR`` and its bounds."""
    flat: dict[str, float] = {}
    for name, value in report.items():
        if name == "intervals":
            bounds = {f"{metric}_{end}": bound for metric, ends in value.items() for end, bound in _ends(ends)}
            flat |= {f"{prefix}{metric}": bound for metric, bound in bounds.items()}
        elif isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}_")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _ends(interval: tuple[float, float]) -> zip:
    return zip(("low", "high"), interval, strict=True)
