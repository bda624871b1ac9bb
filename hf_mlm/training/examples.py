"""The splits of a run as what its Trainer reads."""

from __future__ import annotations

from typing import Any, cast

from datasets import Dataset, DatasetDict, load_dataset

from hf_mlm.data.features import FeatureTable
from hf_mlm.data.raw_rows import RawRows
from hf_mlm.data.samplers import ViewRule
from hf_mlm.training.arguments import IRLEArguments, IRLETrainingArguments
from hf_mlm.training.building import has_features


def load_splits(arguments: IRLEArguments) -> DatasetDict:
    """Load the dataset, as rows of images and texts or of features.

    Raises:
        ValueError: if there is nothing to train on, or nothing to validate on.
    """
    dataset = load_dataset(
        "mlm", arguments.dataset, data_dir=arguments.data_dir, **cast(dict[str, Any], arguments.dataset_options)
    )
    for split in ("train", "validation"):
        if split not in dataset:
            raise ValueError(
                f"the dataset {arguments.dataset!r} has no split {split!r}, only {', '.join(dataset)}: training needs "
                "train and validation."
            )
    return dataset


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
