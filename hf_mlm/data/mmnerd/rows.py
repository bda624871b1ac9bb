"""Rows of the dataset ``mmnerd``: their columns, shards of the files they are in, and rows of other datasets."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value, concatenate_datasets

from hf_mlm.data.checks import ImageFolder, image_defect
from hf_mlm.data.mmnerd.conll import Sentence
from hf_mlm.data.mmnerd.records import Names, RecordReader, read_sentences
from hf_mlm.data.mmnerd.schemes import (
    TAGS,
    LabelRules,
    read_labels,
    read_type_map,
    recognise,
    tags_found,
    types_of,
)
from hf_mlm.data.shards import pack_rows


logger = logging.getLogger(__name__)

ROWS_PER_SHARD = 2500

_CC12M = re.compile(r"\d{8}---.*", re.DOTALL)
_TWITTER = re.compile(r"O_\d+|\d\d_\d\d_(?:\d\d_)?\d+")


def features_of(tags: Sequence[str]) -> Features:
    """Give the columns of the rows.

    Args:
        tags: labels, in the order of their ids.
    """
    return Features(
        {
            "id": Value("string"),
            "tokens": List(Value("string")),
            "ner_tags": List(ClassLabel(names=list(tags))),
            "language": Value("string"),
            "source": Value("string"),
            "image_id": Value("string"),
            "image": Image(),
        }
    )


FEATURES = features_of(TAGS)


def settle_labels(
    files: Sequence[tuple[str, Sequence[Sentence]]],
    labels: Sequence[str] | None = None,
    type_map: Mapping[str, str] | None = None,
    repair: bool = False,
) -> LabelRules:
    """Find the scheme and the labels of files, and check every sentence; conversions are logged in one line.

    Args:
        files: name and sentences of each.
        labels: entity types, or all labels; None for those in the files.
        type_map: entity types to rename, or to drop by ``"O"``.
        repair: whether violations of the scheme are read as conlleval reads them.

    Raises:
        ValueError: as `read_labels` and `read_type_map`, and naming file and line, as `LabelRules.apply`.
    """
    tags = () if labels is None else read_labels(labels)
    try:
        scheme = recognise((each.tags for _, part in files for each in part), types_of(tags))
    except ValueError as error:
        raise ValueError(f"{files[0][0]}: {error}; name the column of labels by label_column.") from error
    rules = LabelRules(scheme, repair, read_type_map(type_map), tags)
    first: dict[str, str] = {}  # label -> file and line
    for name, part in files:
        for sentence in part:
            converted = rules.convert(sentence, name)
            for tag in (tag for tag in dict.fromkeys(converted) if tag not in first):
                first[tag] = f"{name}:{sentence.line_of(converted.index(tag))}"
    if tags:
        rules.refuse_unknown(first)
    if scheme.title != "IOB2":
        names = ", ".join(dict.fromkeys(Path(name).name for name, _ in files))
        logger.warning("Labels of the %s scheme are read as IOB2: %s.", scheme.title, names)
    return rules if tags else replace(rules, tags=tags_found(first))


@dataclass(frozen=True)
class SentenceFile:
    """A file of sentences.

    Attributes:
        path: local path or URL; plain or gzipped.
        language: of its sentences.
        columns: of `read_sentences`.
        labels: of `read_sentences`.
        first: number of its first sentence in its language and split.
        has_ids: whether the sentences' own ids tell them apart in their language and split.
    """

    path: str
    language: str
    columns: tuple[tuple[str, int | str], ...] = ()
    labels: tuple[str, ...] = ()
    first: int = 0
    has_ids: bool = False

    def read(self) -> tuple[list[Sentence], list[str]]:
        """Read sentences and notes, as `read_sentences`; the last file is kept, since every shard of it needs it."""
        return _read(self.path, _state(self.path), self.columns, self.labels)


@dataclass(frozen=True)
class SentenceShard:
    """Sentences of a file that one process reads in a go.

    Attributes:
        file: the file.
        split: for the ids of rows.
        start: position in the file of the first sentence.
        stop: position after the last.
        images: folder of the images, or None.
        rules: conversion of labels.
    """

    file: SentenceFile
    split: str
    start: int
    stop: int
    images: Path | None = None
    rules: LabelRules = field(default_factory=LabelRules)

    def tables(self) -> Iterator[pa.Table]:
        """Read the rows, with the paths of their images, each of which is decoded once; a broken one is logged.

        Raises:
            ValueError: naming file and line, if labels are not as they should be.
        """
        return pack_rows(self._rows(), features_of(self.rules.tags))

    def _rows(self) -> Iterator[dict[str, Any]]:
        file, images = self.file, ImageFolder(self.images) if self.images else None
        sources = named_sources(file.path)
        for position, sentence in enumerate(file.read()[0][self.start : self.stop], self.start):
            own = sentence.id if file.has_ids else file.first + position
            image = images.find(sentence.image_id) if images else None
            row = _row(sentence, self.rules, file.path, file.language)
            row["source"] = sources.get(sentence.image_id or "", row["source"])
            yield row | {"id": f"{file.language}-{self.split}-{own}", "image": _whole_image(image)}


def _row(sentence: Sentence, rules: LabelRules, name: str, language: str) -> dict[str, Any]:
    """Make the row of a sentence of a file, without id and image."""
    return {
        "tokens": sentence.tokens,
        "ner_tags": [rules.tags.index(label) for label in rules.apply(sentence, name)],
        "language": language,
        "source": source_of(sentence.image_id),
        "image_id": sentence.image_id,
    }


def plan_shards(
    files: Mapping[str, Sequence[SentenceFile]],
    images: Path | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
    **options: Any,
) -> tuple[tuple[str, ...], dict[str, list[SentenceShard]]]:
    """Read files once, check every sentence, log what was moved or has no image, and plan how to read them again.

    Args:
        files: split -> files.
        images: folder of the images, or None.
        rows_per_shard: the most sentences that one process reads in a go.
        options: of `settle_labels`.

    Returns:
        Labels of the dataset, and the shards of each split that has sentences.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: naming file and line, if one is malformed; also if there are no sentences at all.
    """
    parts = [(split, file, file.read()) for split, listed in files.items() for file in listed]
    for note in (note for _, _, (_, notes) in parts for note in notes):
        logger.warning(note)
    image_ids = [sentence.image_id for _, _, (sentences, _) in parts for sentence in sentences]
    if not image_ids:
        raise ValueError(f"Expected sentences, found none in {', '.join(file.path for _, file, _ in parts)}.")
    rules = settle_labels([(file.path, sentences) for _, file, (sentences, _) in parts], **options)
    own: defaultdict[tuple[str, str], list[str | None]] = defaultdict(list)
    for split, file, (sentences, _) in parts:
        own[split, file.language] += [sentence.id for sentence in sentences]
    counts: Counter[tuple[str, str]] = Counter()
    shards: dict[str, list[SentenceShard]] = {}
    for split, file, (sentences, _) in parts:
        key, total = (split, file.language), len(sentences)
        has_ids = None not in own[key] and len(set(own[key])) == len(own[key])
        file = replace(file, first=counts[key], has_ids=has_ids)
        counts[key] += total
        for start in range(0, total, rows_per_shard):
            shard = SentenceShard(file, split, start, min(start + rows_per_shard, total), images, rules)
            shards.setdefault(split, []).append(shard)
    _log_missing(image_ids, images)
    return rules.tags, shards


def convert_dataset(
    dataset: Dataset | DatasetDict, language: str = "und", columns: Names | None = None, **options: Any
) -> Dataset | DatasetDict:
    """Give rows of any dataset the columns of ``mmnerd``, and IOB2 labels.

    Args:
        dataset: rows with words and labels, which are ClassLabels, numbers or strings of any scheme, or with texts and
            spans; an ``image`` stays.
        language: BCP-47 code of the rows.
        columns: names of columns that need not be found, as in ``{"token": "words", "tag": "labels"}``.
        options: ``labels``, ``type_map`` and ``repair``, as of `settle_labels`; labels of all ids, where labels are
            numbers.

    Raises:
        ValueError: naming split and row, where `load_dataset` names file and line.

    Example:
        >>> rows = Dataset.from_dict({"words": [["Hana", "Lind", "left"]], "labels": [["B-PER", "E-PER", "O"]]})
        >>> convert_dataset(rows, "en")[0]["ner_tags"]
        [1, 2, 0]
    """
    splits = dataset if isinstance(dataset, DatasetDict) else {"rows": dataset}
    readers = {name: RecordReader(name, columns, options.get("labels") or ()) for name in splits}
    parts = {name: list(reader.read_rows(_plain_rows(splits[name]))) for name, reader in readers.items()}
    for note in (note for reader in readers.values() for note in reader.notes):
        logger.warning(note)
    rules = settle_labels(list(parts.items()), **options)
    made = {}
    for name, sentences in parts.items():
        rows = [_row(each, rules, name, language) for each in sentences]
        rows = [row | {"id": f"{language}-{name}-{number}", "image": None} for number, row in enumerate(rows)]
        made[name] = Dataset.from_list(rows, features=features_of(rules.tags))
        if "image" in splits[name].column_names:
            images = splits[name].select([each.line for each in sentences]).select_columns(["image"])
            made[name] = concatenate_datasets([made[name].remove_columns("image"), images], axis=1)
    return DatasetDict(made) if isinstance(dataset, DatasetDict) else made["rows"]


def _plain_rows(rows: Dataset) -> Iterator[dict[str, Any]]:
    """Give rows without images, and with the names of class labels."""
    light = rows.remove_columns([name for name in ("image",) if name in rows.column_names])
    inner = {name: getattr(feature, "feature", None) for name, feature in light.features.items()}
    names = {name: feature.names for name, feature in inner.items() if isinstance(feature, ClassLabel)}
    for row in light:
        yield row | {name: [known[number] for number in row[name]] for name, known in names.items()}


SOURCE_NAMES = "sources.tsv"  # image id, tab, source; "" is the id of sentences without an image


def named_sources(path: str | Path) -> dict[str, str]:
    """Sources by image id that a dataset of one's own names beside its split files, or one level above."""
    for folder in (Path(path).parent, Path(path).parent.parent):
        if (folder / SOURCE_NAMES).is_file():
            return _read_sources(folder / SOURCE_NAMES, (folder / SOURCE_NAMES).stat().st_mtime_ns)
    return {}


@lru_cache(maxsize=8)
def _read_sources(path: Path, changed: int) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {image_id: name for image_id, _, name in (line.partition("\t") for line in lines)}


def source_of(image_id: str | None) -> str | None:
    """Where MMNERD took a sentence from, as the form of its image id tells; None of other ids.

    Example:
        >>> [source_of(image_id) for image_id in ("00123767---big-4e5a", "17_06_4705", "16_05_15_484", "O_7", "cat")]
        ['cc12m', 'twitter', 'twitter', 'twitter', None]
    """
    if image_id is None:
        return None
    return "cc12m" if _CC12M.fullmatch(image_id) else "twitter" if _TWITTER.fullmatch(image_id) else None


def _log_missing(image_ids: list[str | None], images: Path | None) -> None:
    named = [image_id for image_id in image_ids if image_id is not None]
    if named and images is None:
        logger.warning(
            "There is no folder of images, so all %s sentences have none; pass image_dir.", f"{len(image_ids):,}"
        )
    elif images is not None:
        folder = ImageFolder(images)
        missing = sum(folder.find(image_id) is None for image_id in image_ids)
        if missing:
            count = f"{missing:,} of {len(image_ids):,}"
            logger.warning("The image of %s sentences is not in %s: it is None there.", count, images)


def _whole_image(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    defect = image_defect(path)
    if defect:
        logger.warning("%s %s: the image of its sentence is None.", path, defect)
        return None
    return {"bytes": None, "path": str(path)}


@lru_cache(maxsize=1)
def _read(
    path: str, state: tuple[int, int] | None, columns: tuple[tuple[str, int | str], ...], labels: tuple[str, ...]
) -> tuple[list[Sentence], list[str]]:
    return read_sentences(path, dict(columns), labels)


def _state(path: str) -> tuple[int, int] | None:
    """Size and time of a local file: what was read stands for it only while these do."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
