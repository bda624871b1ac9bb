"""The sentences of a tagger's run: loaded, subsampled or split if asked, and encoded once for all epochs."""

from __future__ import annotations

from io import BytesIO
from typing import Any, cast

import numpy as np
from datasets import Dataset, DatasetDict, Image, concatenate_datasets, load_dataset
from PIL import Image as PILImage

from hf_mlm.data.mmnerd.encoding import encode_dataset
from hf_mlm.data.mmnerd.layout import are_by_language
from hf_mlm.data.mmnerd.schemes import tags_found
from hf_mlm.data.splits import SPLITS, group_split, kfold_indices
from hf_mlm.training.taggers.arguments import NERArguments
from hf_mlm.training.taggers.trainer import row_lengths


BLANK_SIZE = 64  # pixels of the blank image's sides


def load_sentences(arguments: NERArguments) -> DatasetDict:
    """Load the splits of a run, with what the settings ask to leave out or ablate.

    Args:
        arguments: ``dataset``, ``data_dir`` or ``data_files``, and what is to be split, subsampled, folded or ablated.

    Raises:
        ValueError: if there is nothing to train on or nothing to validate on.
    """
    dataset = load_splits(arguments)
    if arguments.split_ratios is not None:
        dataset = _split(dataset, arguments.split_ratios, arguments.split_seed)
    for split in ("train", "validation"):
        if split not in dataset:
            raise ValueError(
                f"the dataset has no split {split!r}, only {', '.join(dataset)}: training needs train and validation; "
                "split_ratios=[0.8, 0.1, 0.1] divides a train split."
            )
    if arguments.fold is not None:
        groups = dataset["train"]["image_id"][:]
        kept, _ = kfold_indices(_groups(groups, dataset["train"]["id"][:]), arguments.folds, arguments.split_seed)[
            arguments.fold
        ]
        dataset["train"] = dataset["train"].select(kept)
    for split, rows in dataset.items():
        most = arguments.max_train_sentences if split == "train" else arguments.max_eval_sentences
        rows = rows if most is None else subsample(rows, most, arguments.split_seed)
        dataset[split] = ablate_images(rows, arguments.images, arguments.split_seed)
    return dataset


def subsample(rows: Dataset, most: int, seed: int) -> Dataset:
    """Draw at most so many rows of each language, in their order."""
    order = np.random.default_rng(seed).permutation(len(rows))
    languages = np.array(rows["language"][:])[order]
    drawn = [order[languages == language][:most] for language in dict.fromkeys(languages.tolist())]
    return rows.select(np.sort(np.concatenate(drawn)))


def ablate_images(rows: Dataset, images: str, seed: int) -> Dataset:
    """Put other images beside the sentences, to see what their own are worth.

    Args:
        rows: with ``image`` and ``image_id``.
        images: ``"own"`` changes nothing, ``"shuffled"`` deals all images anew, ``"blank"`` gives every sentence the
            same grey one, and ``"none"`` takes them away.
        seed: of the shuffling.
    """
    if images == "own":
        return rows
    columns = ["image", "image_id"]
    others = rows.remove_columns(columns)
    if images == "none":
        return others
    pictures = rows.select_columns(columns)
    if images == "shuffled":
        pictures = pictures.select(np.random.default_rng(seed).permutation(len(rows)))
    else:
        blank = {"image": [_blank()] * len(rows), "image_id": ["blank"] * len(rows)}
        pictures = Dataset.from_dict(blank, features=rows.select_columns(columns).features)
    return concatenate_datasets([others, pictures], axis=1)


def encode_sentences(rows: Dataset, processor: Any, ordered: bool = False) -> Dataset:
    """Encode a split once for all epochs; images stay files, which the collator opens.

    Args:
        rows: with ``tokens``, ``ner_tags`` and perhaps an ``image``.
        processor: of the model; images are dropped if it takes none.
        ordered: whether to sort rows by length, longest first, so that evaluation batches pad little.
    """
    encoded = encode_dataset(rows, processor)
    if "image" in encoded.column_names:
        sees = hasattr(processor, "encode_images")
        encoded = encoded.cast_column("image", Image(decode=False)) if sees else encoded.remove_columns("image")
    if ordered:
        encoded = encoded.select(np.argsort(-np.array(row_lengths(encoded)), kind="stable"))
    return encoded


def load_splits(arguments: NERArguments) -> DatasetDict:
    """Load the splits that the files hold, whole, with labels of all languages.

    Args:
        arguments: ``dataset``, ``data_dir`` or ``data_files``, and ``dataset_options``.

    Raises:
        ValueError: naming file and line, if one is malformed.
        FileNotFoundError: if there is none.
    """
    files = cast(dict[str, Any], arguments.data_files)
    options = cast(dict[str, Any], arguments.dataset_options)
    if are_by_language(files):
        parts = [load_dataset("mmnerd", language, data_files=paths, **options) for language, paths in files.items()]
        names = [next(iter(part.values())).features["ner_tags"].feature.names for part in parts]
        if any(labels != names[0] for labels in names):  # each has those of its files
            options = {**options, "labels": list(tags_found(label for labels in names for label in labels))}
            parts = [load_dataset("mmnerd", name, data_files=paths, **options) for name, paths in files.items()]
        splits = [split for split in SPLITS if any(split in part for part in parts)]
        return DatasetDict(
            {split: concatenate_datasets([part[split] for part in parts if split in part]) for split in splits}
        )
    given = {"data_files": files} if files else {"data_dir": arguments.data_dir}
    name = None if files and arguments.dataset == "demo" else arguments.dataset  # files of no told language
    return load_dataset("mmnerd", name, **given, **options)


def _split(dataset: DatasetDict, ratios: list[float], seed: int) -> DatasetDict:
    """Divide the one split that there is, by image, or by sentence where there is none, alike in each language."""
    if list(dataset) != ["train"] or len(ratios) != len(SPLITS):
        raise ValueError(
            f"split_ratios={ratios} divides a dataset that has train alone into train, validation and test, and this "
            f"one has {', '.join(dataset)}: leave split_ratios out, or name three shares."
        )
    rows = dataset["train"]
    groups = _groups(rows["image_id"][:], rows["id"][:])
    chosen = group_split(groups, ratios, seed, strata=rows["language"][:])
    return DatasetDict({name: rows.select(np.flatnonzero(chosen == number)) for number, name in enumerate(SPLITS)})


def _groups(image_ids: list[Any], ids: list[str]) -> list[str]:
    return [own if image is None else image for image, own in zip(image_ids, ids, strict=True)]


def _blank() -> dict[str, Any]:
    picture = BytesIO()
    PILImage.new("RGB", (BLANK_SIZE, BLANK_SIZE), (128, 128, 128)).save(picture, "PNG")
    return {"bytes": picture.getvalue(), "path": None}
