"""Metrics of IR+LE from what a Trainer hands over; logits of cells never leave the device that made them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import EvalPrediction

from hf_mlm.metrics.functional.geo import geo_report
from hf_mlm.metrics.functional.retrieval import retrieval_report
from hf_mlm.models.irle.cells_irle import ABSENT, GeoCells


MODALITIES = ("image", "text")
DIRECTIONS = ("image_to_text", "text_to_image")
POSITIONS = (("latitude", "longitude"), ("cell_latitude", "cell_longitude"))


class RetrievalAndGeoMetrics:
    """Retrieval in both directions and location estimation of both modalities, for a Trainer.

    ``reduce`` is its ``preprocess_logits_for_metrics`` and ``of(rows)`` its ``compute_metrics``.

    Metrics are ``mean_medR`` (of both directions; choose the best checkpoint by it), ``image_to_text_medR``,
    ``…_R@10`` and ``…_full_medR`` (whole split instead of pools), likewise ``text_to_image_…``; ``image_f1``,
    ``image_accuracy``, ``image_median_km`` and the rest of `geo_report`, likewise ``text_…``. Those of a task that the
    model has not are left out.

    Args:
        config: of the model.
        pool_size: candidates that retrieval is measured among (Section 5.2: 500).
        pools: seeded draws of that many; figures are means over them.

    Example:
        >>> from hf_mlm import IRLEConfig
        >>> metrics = RetrievalAndGeoMetrics(IRLEConfig(tasks=["retrieval"]))
        >>> embeds = np.eye(3, dtype=np.float32)
        >>> prediction = EvalPrediction({"image_embeds": embeds, "text_embeds": embeds}, (np.zeros(3), np.zeros(3)))
        >>> metrics.of()(prediction)["mean_medR"]
        1.0
    """

    def __init__(self, config: Any, pool_size: int = 500, pools: int = 10):
        self.config, self.pool_size, self.pools = config, pool_size, pools
        mapped = config.cell_tokens is not None or config.cell_latitudes is not None
        self.cells = GeoCells.from_config(config) if mapped and "geo" in config.tasks else None

    def reduce(self, outputs: tuple[torch.Tensor, ...], labels: Any = None) -> dict[str, torch.Tensor]:
        """Keep embeddings, and of logits the most probable cell and the estimated place.

        Args:
            outputs: fields of `IRLEOutput` after the losses, those of absent tasks left out.
            labels: not used.

        Returns:
            ``image_embeds`` and ``text_embeds`` (batch, embedding_size), ``image_cells`` and ``text_cells`` int64
            (batch,), ``image_places`` and ``text_places`` (batch, 2) degrees of latitude and longitude.
        """
        kinds = [kind for kind, task in (("embeds", "retrieval"), ("logits", "geo")) if task in self.config.tasks]
        names = [f"{modality}_{kind}" for kind in kinds for modality in MODALITIES]
        reduced = dict(zip(names, outputs, strict=True))
        for modality in MODALITIES:
            logits = reduced.pop(f"{modality}_logits", None)
            if logits is None:
                continue
            reduced[f"{modality}_cells"] = logits.argmax(dim=-1)
            if self.cells is not None:
                latitudes, longitudes, _ = self.cells.locate(logits)
                places = np.stack([latitudes, longitudes], axis=1).astype(np.float32)
                reduced[f"{modality}_places"] = torch.from_numpy(places).to(logits.device)
        return reduced

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
            places = found.get(f"{modality}_places")
            if positions is not None and places is not None:
                report |= _distances(positions, places, shown)
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


def _distances(positions: np.ndarray, places: np.ndarray, shown: np.ndarray) -> dict[str, float]:
    if len(positions) != len(places):
        raise ValueError(
            f"{len(places)} rows were evaluated and {len(positions)} positions are known: pass metrics.of(rows) the "
            "very split that is evaluated."
        )
    known = shown & np.isfinite(positions).all(axis=1)  # (rows,)
    if not known.any():
        return {}
    return geo_report(target_coordinates=positions[known], predicted_coordinates=places[known])


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
