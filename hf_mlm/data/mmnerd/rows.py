"""Rows of the dataset ``mmnerd``: their columns, and shards of sentence files that become rows."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import ClassLabel, Features, Image, List, Value

from hf_mlm.data.checks import ImageFolder, image_defect
from hf_mlm.data.mmnerd.conll import Sentence, read_conll
from hf_mlm.data.mmnerd.schemes import TAGS, LabelRules
from hf_mlm.data.shards import pack_rows


logger = logging.getLogger(__name__)

ROWS_PER_SHARD = 2500

_CC12M = re.compile(r"\d{8}---.*", re.DOTALL)
_TWITTER = re.compile(r"O_\d+|\d\d_\d\d_(?:\d\d_)?\d+")


def features_of(tags: Sequence[str]) -> Features:
    """Columns of the rows.

    Args:
        tags: the labels, in the order of their ids.
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


@dataclass(frozen=True)
class ConllFile:
    """A file of sentences and what is to be known about it.

    Attributes:
        path: local path or URL; plain or gzipped.
        language: of its sentences.
        first: number of its first sentence in its language and split.
    """

    path: str
    language: str
    first: int = 0

    def sentences(self) -> list[Sentence]:
        """Its sentences; the file that was read last is kept, since every shard of it needs it."""
        return _read(self.path, _state(self.path))


@dataclass(frozen=True)
class ConllShard:
    """Some sentences of a file: what one process reads in a go.

    Attributes:
        file: the file.
        split: for the ids of rows.
        start: position in the file of the first sentence.
        stop: position after the last.
        images: folder of the images, or None.
        rules: what becomes of labels.
    """

    file: ConllFile
    split: str
    start: int
    stop: int
    images: Path | None = None
    rules: LabelRules = LabelRules()

    def tables(self) -> Iterator[pa.Table]:
        """The rows, some hundred at a time, with the paths of their images, each of which has been decoded once.

        A broken image is logged and left out.

        Raises:
            ValueError: naming file and line, if labels are not as they should be.
        """
        return pack_rows(self._rows(), features_of(self.rules.tags))

    def _rows(self) -> Iterator[dict[str, Any]]:
        file, images = self.file, ImageFolder(self.images) if self.images else None
        numbers = {tag: number for number, tag in enumerate(self.rules.tags)}
        for position, sentence in enumerate(file.sentences()[self.start : self.stop], self.start):
            image = images.find(sentence.image_id) if images else None
            yield {
                "id": f"{file.language}-{self.split}-{file.first + position}",
                "tokens": sentence.tokens,
                "ner_tags": [numbers[tag] for tag in self.rules.apply(sentence, file.path)],
                "language": file.language,
                "source": source_of(sentence.image_id),
                "image_id": sentence.image_id,
                "image": _whole_image(image),
            }


def conll_shards(
    files: Mapping[str, Sequence[tuple[str, str]]],
    images: Path | None = None,
    rules: LabelRules | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> dict[str, list[ConllShard]]:
    """Read files once, check every sentence, and plan how to read them again.

    How many sentences have no image is logged, in one line.

    Args:
        files: split -> (language, path or URL) of each file.
        images: folder of the images, or None.
        rules: what becomes of labels.
        rows_per_shard: the most sentences that one process reads in a go.

    Returns:
        the shards of each split that has sentences.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: naming file and line, if one is malformed; also if there are no sentences at all.
    """
    rules = rules or LabelRules()
    image_ids: list[str | None] = []
    shards: dict[str, list[ConllShard]] = {split: [] for split in files}
    for split, listed in files.items():
        counts: dict[str, int] = {}
        for language, path in listed:
            file = ConllFile(str(path), language, counts.get(language, 0))
            sentences = file.sentences()
            for sentence in sentences:
                rules.apply(sentence, file.path)
            image_ids += [sentence.image_id for sentence in sentences]
            counts[language] = file.first + len(sentences)
            shards[split] += [
                ConllShard(file, split, start, min(start + rows_per_shard, len(sentences)), images, rules)
                for start in range(0, len(sentences), rows_per_shard)
            ]
    if not image_ids:
        raise ValueError(f"there is no sentence in {', '.join(path for part in files.values() for _, path in part)}.")
    _log_missing(image_ids, images)
    return {split: listed for split, listed in shards.items() if listed}


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
def _read(path: str, state: tuple[int, int] | None) -> list[Sentence]:
    return read_conll(path)


def _state(path: str) -> tuple[int, int] | None:
    """Size and time of a local file: what was read stands for it only while these do."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
