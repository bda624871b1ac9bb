"""Scoring and calibration of a trained model, on data that is checked to be such as it reads."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo
from hf_mlm.data.mlm.torch_datasets import FeatureTable, RawRows
from hf_mlm.geo.conformal import conformal_quantiles
from hf_mlm.geo.density import unit_vectors
from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.models.irle.cells_irle import (
    ABSENT,
    STRATEGIES,
    KnownEntities,
    Locator,
    joined,
    kernel_density,
    log_softmax,
)
from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo
from hf_mlm.models.irle.processing_irle import IRLEProcessor
from hf_mlm.runs.gallery import Gallery
from hf_mlm.runs.settings import SETTINGS_NAME, read_recipe
from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments
from hf_mlm.training.irle.building import cell_names, feature_widths, has_features
from hf_mlm.training.irle.data import load_mlm
from hf_mlm.training.irle.metrics import RetrievalAndGeoMetrics
from hf_mlm.training.irle.trainer import IRLETrainer


def trained_on(folder: str | Path) -> tuple[str, dict[str, Any]]:
    """Find out what dataset a model was trained on.

    Args:
        folder: output folder of the training.

    Returns:
        The configuration of ``mlm``, and ``data_dir`` and the other settings that it was loaded with.

    Raises:
        ValueError: if the folder has no ``settings.yaml``.
    """
    if not (Path(folder) / SETTINGS_NAME).is_file():
        raise ValueError(f"{folder} does not tell what it was trained on: name the dataset, such as --dataset demo.")
    settings = read_recipe(str(Path(folder) / SETTINGS_NAME))
    options = dict(settings.get("dataset_options", {}))
    if settings.get("data_dir"):
        options["data_dir"] = settings["data_dir"]
    return settings.get("dataset", IRLEArguments.dataset), options


def load_rows(model: IRLEForRetrievalAndGeo, dataset: str, split: str, **options: Any) -> Dataset:
    """Load a split that a model can read, with the model's own cells.

    Args:
        model: that will read it.
        dataset: configuration of ``mlm``.
        split: such as ``"test"``.
        **options: ``data_dir`` and further settings of the dataset.

    Raises:
        ValueError: if there is no such split, if the rows are features and the model reads raw input or the other way
            round, or features of another width, or if the cells are others and cannot be told from positions.
    """
    splits = load_mlm(dataset, **options)
    if split not in splits:
        raise ValueError(
            f"the dataset {dataset!r} has no split {split!r}; choose one of {', '.join(splits)} as split."
        )
    rows = splits[split]
    kinds = {True: "precomputed features", False: "raw images and texts"}
    reads_features = model.config.image_encoder_config is None
    if has_features(rows) != reads_features:
        raise ValueError(
            f"the dataset {dataset!r} has {kinds[not reads_features]} and the model reads {kinds[reads_features]}: "
            "choose a dataset like the one it was trained on."
        )
    if reads_features:
        _refuse_other_widths(model.config, rows, dataset)
    return with_cells_of(model.config, rows)


def _refuse_other_widths(config: IRLEConfig, rows: Dataset, dataset: str) -> None:
    for name, width in feature_widths(rows).items():
        if width != getattr(config, name):
            raise ValueError(
                f"the dataset {dataset!r} has {name}={width} and the model reads {getattr(config, name)}: choose "
                "features of the same extractor as those it was trained on."
            )


def with_cells_of(config: IRLEConfig, rows: Dataset) -> Dataset:
    """Give rows the cells that a model knows, if theirs are others.

    Args:
        config: of the model.
        rows: with cells named by S2 tokens and positions, or with numbered cells.

    Raises:
        ValueError: if cells are numbered and their number differs, so that nothing tells which is which.
    """
    if "geo" not in config.tasks or "geo_cell" not in rows.column_names:
        return rows
    names = cell_names(rows)
    if names is not None and names == config.cell_tokens:
        return rows
    if config.cell_tokens is not None and {"latitude", "longitude"} <= set(rows.column_names):
        positions = np.array([rows["latitude"][:], rows["longitude"][:]])
        cells = GeoCellPartition.from_tokens(config.cell_tokens).assign(*positions)
        return rows.remove_columns("geo_cell").add_column("geo_cell", cells.tolist())
    count = rows.features["geo_cell"].num_classes
    if names is not None or config.cell_tokens is not None or count not in (0, config.num_geo_cells):
        raise ValueError(
            f"the model knows {config.num_geo_cells} cells and the dataset has {count} others: choose the dataset "
            "that it was trained on."
        )
    return rows


PREFIX = "test"


def score(
    model: IRLEForRetrievalAndGeo,
    processor: IRLEProcessor | None,
    rows: Dataset,
    batch_size: int = 64,
    pool_size: int = 500,
    pools: int = 10,
    resamples: int = 1000,
) -> tuple[dict[str, float], dict[str, Any]]:
    """Run a model over a split as training's evaluation does, in one process or several.

    Args:
        model: that reads such rows.
        processor: of raw rows.
        rows: the split.
        batch_size: rows of a batch in each process.
        pool_size: candidates that retrieval is measured among.
        pools: draws of that many.
        resamples: bootstrap draws for the intervals of the retrieval figures.

    Returns:
        The metrics of `RetrievalAndGeoMetrics` and the losses, and its reduced predictions: arrays of embeddings,
        cells and places in the order of the rows.
    """
    metrics = RetrievalAndGeoMetrics(model.config, pool_size, pools, Gallery.beside(model))
    output = _predict(model, processor, rows, batch_size, metrics.reduce, metrics.of(rows, resamples))
    found = {name.removeprefix(f"{PREFIX}_"): value for name, value in (output.metrics or {}).items()}
    return found, output.predictions


def raw_outputs(
    model: IRLEForRetrievalAndGeo, processor: IRLEProcessor | None, rows: Dataset, batch_size: int = 64
) -> tuple[tuple[torch.Tensor, ...], tuple[np.ndarray, ...]]:
    """Run a model over a split and keep all that it says: for splits that are small enough.

    Args:
        model: that reads such rows.
        processor: of raw rows.
        rows: the split.
        batch_size: rows of a batch.

    Returns:
        The arguments of `RetrievalAndGeoMetrics.reduce`, for all rows at once, and the true cells by modality.
    """
    output = _predict(model, processor, rows, batch_size)
    return tuple(torch.from_numpy(values) for values in output.predictions), output.label_ids


def _predict(
    model: Any, processor: Any, rows: Dataset, batch_size: int, reduce: Any = None, compute_metrics: Any = None
) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        arguments = IRLETrainingArguments(
            folder, per_device_eval_batch_size=batch_size, report_to="none", disable_tqdm=not sys.stderr.isatty()
        )
        trainer = IRLETrainer(
            model,
            arguments,
            data_collator=DataCollatorForRetrievalAndGeo(processor),
            compute_metrics=compute_metrics,
            preprocess_logits_for_metrics=reduce,
        )
        examples = FeatureTable(rows) if has_features(rows) else RawRows(rows)
        return trainer.predict(examples, metric_key_prefix=PREFIX)


LEAST_HELD_OUT = 20  # entities that a calibration takes
_TEMPERATURES = np.exp(np.linspace(np.log(0.1), np.log(10), 47))  # of cells
_SHARPNESS = (0.02, 0.1, 0.25, 0.6, 1.5)  # temperatures of neighbours, over the range of their similarities
_CELL_WEIGHTS = (0.0, 0.5, 1.0)
_BANDWIDTHS_KM = (10.0, 25.0, 60.0, 120.0, 250.0)
_AS_GOOD = 1.03  # median errors that differ by less are decided by the likelihood


def calibrate(
    config: IRLEConfig,
    gallery: KnownEntities | None,
    outputs: Mapping[str, Mapping[str, np.ndarray]],
    cells: Mapping[str, np.ndarray],
    positions: np.ndarray,
    on: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Fit temperatures, kernels and the quantiles of radii on N held-out entities (split-conformal).

    Args:
        config: of the model.
        gallery: entities that are known to it.
        outputs: ``geo_logits`` (N, cells) and ``embeds`` (N, embedding_size), where there are any, by modality.
        cells: (N,) true cells by modality, below 0 where unknown and `ABSENT` where the row lacks the modality.
        positions: (N, 2) true degrees, NaN where unknown.
        on: what the entities are, to be kept with the rest.

    Returns:
        ``calibration`` of `IRLEConfig`; None where fewer than `LEAST_HELD_OUT` entities have a position.
    """
    known = np.isfinite(positions).all(axis=1)
    shown = {name: known & (values != ABSENT) for name, values in cells.items()}
    if min(rows.sum() for rows in shown.values()) < LEAST_HELD_OUT:
        return None
    locator = Locator(config, gallery)
    fitted: dict[str, Any] = {"on": {**on, "entities": int(known.sum())}, "cells": config.cell_digest}
    locator.calibration = fitted
    fitted["temperatures"] = {
        name: _fit_temperature(outputs[name]["geo_logits"], values) for name, values in cells.items()
    }
    fitted["hierarchy"] = bool(config.hierarchy_levels) and _hierarchy_helps(locator, outputs, cells)
    if locator.gallery is not None:
        fitted["kernels"] = {
            name: _fit_kernel(locator, name, _taken(outputs[name], rows), positions[rows])
            for name, rows in shown.items()
        }
    fitted["quantiles"], fitted["median_radius_km"] = {}, {}
    for names in (("image",), ("text",), ("image", "text")):
        rows = np.all([shown[name] for name in names], axis=0)
        if rows.sum() >= LEAST_HELD_OUT:
            asked = {name: _taken(outputs[name], rows) for name in names}
            fitted["quantiles"][joined(asked)] = _fit_quantiles(locator, asked, positions[rows])
            radii = locator.locate(asked).radius_km
            fitted["median_radius_km"][joined(asked)] = round(float(np.median(radii)), 1)
    return fitted


def _taken(output: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[rows] for name, values in output.items()}


def _fit_temperature(logits: np.ndarray, cells: np.ndarray) -> float:
    """The temperature of the likeliest cells (Guo et al. 2017); 1 where no cell is known."""
    known = cells >= 0
    if not known.any():
        return 1.0
    scores, own = logits[known].astype(np.float64), cells[known][:, None]
    losses = [-np.take_along_axis(log_softmax(scores / value), own, 1).mean() for value in _TEMPERATURES]
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)


def _hierarchy_helps(
    locator: Locator, outputs: Mapping[str, Mapping[str, np.ndarray]], cells: Mapping[str, np.ndarray]
) -> bool:
    """Whether multiplying cells by their parents makes the true ones likelier."""
    fitted, losses = dict(locator.calibration), []
    for hierarchy in (False, True):
        locator.calibration = {**fitted, "hierarchy": hierarchy}
        logs = [
            np.take_along_axis(locator.log_probabilities({name: outputs[name]}), values.clip(min=0)[:, None], 1)[:, 0]
            for name, values in cells.items()
        ]
        losses.append(-sum(log[values >= 0].sum() for log, values in zip(logs, cells.values(), strict=True)))
    locator.calibration = fitted
    return bool(losses[1] < losses[0])


def _fit_kernel(
    locator: Locator, modality: str, output: Mapping[str, np.ndarray], positions: np.ndarray
) -> dict[str, float]:
    """The kernel of the smallest median error; of those as good, the one that makes true positions likeliest."""
    found = locator.neighbours(modality, output["embeds"], output["geo_logits"])
    finite = np.where(np.isfinite(found.similarities), found.similarities, np.nan)
    width = float(np.nanmedian(np.nanmax(finite, axis=1) - np.nanmin(finite, axis=1))) or 1.0
    tried = []
    for sharpness, weight, bandwidth in product(_SHARPNESS, _CELL_WEIGHTS, _BANDWIDTHS_KM):
        kernel = {"temperature": sharpness * width, "cell_weight": weight, "bandwidth_km": bandwidth}
        density = kernel_density(found, **kernel)
        error = float(np.median(_distances(positions, density.mode())))
        likelihood = float(density.log_density(unit_vectors(*positions.T)[:, None]).mean())
        tried.append((error, likelihood, kernel))
    best = min(error for error, _, _ in tried)
    return max((each for each in tried if each[0] <= _AS_GOOD * best), key=lambda each: each[1])[2]


def _fit_quantiles(
    locator: Locator, outputs: Mapping[str, Mapping[str, Any]], positions: np.ndarray
) -> dict[str, list[float | None]]:
    """Quantiles of error over expected spread, by strategy."""
    quantiles = {}
    for strategy in STRATEGIES if locator.gallery is not None else STRATEGIES[1:]:
        latitudes, longitudes, spreads = locator.positions(outputs, strategy)
        errors = _distances(positions, (latitudes, longitudes))
        quantiles[strategy] = conformal_quantiles(errors / spreads.clip(min=1e-3))
    return quantiles


def _distances(positions: np.ndarray, others: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Kilometres between positions (N, 2) in degrees and others, as latitudes and longitudes (N,)."""
    return great_circle_distance(positions[:, 0], positions[:, 1], *others)
