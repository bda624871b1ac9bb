"""A trained model and the data that it is asked about, checked against each other."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo
from hf_mlm.data.mlm.torch_datasets import FeatureTable, RawRows
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo
from hf_mlm.models.irle.processing_irle import IRLEProcessor
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
    metrics = RetrievalAndGeoMetrics(model.config, pool_size, pools)
    with tempfile.TemporaryDirectory() as folder:
        trainer = IRLETrainer(
            model,
            IRLETrainingArguments(folder, per_device_eval_batch_size=batch_size, report_to="none"),
            data_collator=DataCollatorForRetrievalAndGeo(processor),
            compute_metrics=metrics.of(rows, resamples),
            preprocess_logits_for_metrics=metrics.reduce,
        )
        output = trainer.predict(FeatureTable(rows) if has_features(rows) else RawRows(rows), metric_key_prefix=PREFIX)
    figures = {name.removeprefix(f"{PREFIX}_"): value for name, value in (output.metrics or {}).items()}
    return figures, output.predictions
