"""Splits of a run, loaded and made into what its Trainer reads."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, cast

import numpy as np
import pyarrow.compute as pc
from datasets import Dataset, DatasetDict, load_dataset

from hf_mlm.data.mlm.builder import MLM, MLMConfig
from hf_mlm.data.mlm.torch_datasets import FeatureTable, RawRows
from hf_mlm.data.mlm.views import ViewRule
from hf_mlm.runs.settings import refuse_unknown
from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments
from hf_mlm.training.irle.building import has_features


def load_splits(arguments: IRLEArguments) -> DatasetDict:
    """Load the dataset, as rows of images and texts or of features.

    Raises:
        ValueError: if there is nothing to train on, or nothing to validate on.
    """
    options = dict(cast(dict[str, Any], arguments.dataset_options))
    if arguments.density != 1:
        options["density"] = arguments.density
    dataset = load_mlm(arguments.dataset, data_dir=arguments.data_dir, **options)
    for split in ("train", "validation"):
        if split not in dataset:
            raise ValueError(
                f"the dataset {arguments.dataset!r} has no split {split!r}, only {', '.join(dataset)}: training needs "
                "train and validation; give it files of both, or more entities, a tenth of which validates."
            )
    return dataset


def load_mlm(config: str, **options: Any) -> DatasetDict:
    """Load all splits of a config of ``mlm``.

    Args:
        config: such as ``"demo"``.
        **options: ``data_dir`` and other settings of `hf_mlm.data.mlm.builder.MLMConfig`.

    Raises:
        ValueError: if there is no such config or setting, and as reading it does.
    """
    known = [each.name for each in MLM.BUILDER_CONFIGS]
    if config not in known:
        raise ValueError(f"there is no dataset {config!r}; choose one of {', '.join(known)}.")
    refuse_unknown(options, [each.name for each in fields(MLMConfig)], f"the dataset {config!r}")
    return load_dataset("mlm", config, **options)


def as_examples(
    rows: Dataset, arguments: IRLEArguments, training_arguments: IRLETrainingArguments, views: ViewRule = "first"
) -> Any:
    """Raw rows with images still encoded, or features as a table of ready batches.

    Raises:
        ValueError: if features are to stay on the device and worker processes to read them.
    """
    if not has_features(rows):
        return RawRows(rows)
    if not arguments.features_on_device:
        return FeatureTable(rows, views, seed=training_arguments.seed)
    if training_arguments.dataloader_num_workers:
        raise ValueError("features_on_device needs dataloader_num_workers=0: other processes cannot read them there.")
    training_arguments.dataloader_pin_memory = False  # batches are on the device already
    return FeatureTable(rows, views, training_arguments.device, training_arguments.seed)


def complete_rows(rows: Dataset) -> Dataset:
    """Leave out the rows of an archive that lack an image or a text; other datasets have none."""
    if "images" not in rows.column_names or isinstance(rows.features["summaries"], dict):
        return rows
    counts = [pc.list_value_length(rows.with_format("arrow")[name][:]) for name in ("images", "summaries")]
    return rows.select(np.flatnonzero(np.all([count.to_numpy(zero_copy_only=False) > 0 for count in counts], axis=0)))
