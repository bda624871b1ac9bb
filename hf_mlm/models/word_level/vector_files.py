"""Pretrained word vectors from files: GloVe's and fastText's text formats, and safetensors."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from safetensors import SafetensorError, safe_open
from transformers.utils import logging

from hf_mlm.models.word_level.vectors import FloatArray, WordVectors


logger = logging.get_logger(__name__)


def read_word_vectors(path: str | os.PathLike[str], keep: Collection[str] | None = None) -> WordVectors:
    """Read the vectors of words.

    A text file, ``.gz`` or not, has a word and its numbers in each line, with single spaces between them, and may
    start with fastText's line of two counts. Words may have spaces in them. Of a word that is there twice the first
    vector counts. A ``.safetensors`` file holds one matrix (words, size), and the words as a JSON list: as ``words``
    in its metadata, or in a file of the same name that ends in ``.json``.

    Args:
        path: of the file; ``.safetensors`` by its name, text otherwise.
        keep: read the vectors of these words alone, such as `WordVocabulary.spellings`; all of them when omitted.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or has no vectors; the sentence names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there are no word vectors at {path}: check the path.")
    wanted = None if keep is None else set(keep)
    return _read_safetensors(path, wanted) if path.suffix == ".safetensors" else _read_text(path, wanted)


def _read_text(path: Path, keep: set[str] | None) -> WordVectors:
    rows: dict[str, FloatArray] = {}
    size, repeated = 0, 0
    for number, line in _lines(path):
        place = f"{path}, line {number}"
        if size == 0:
            header = _header(line) if number == 1 else None
            size = line.count(b" ") if header is None else header
            if header is not None:
                continue
        word = _word(line, size, place)
        if keep is not None and word not in keep:
            continue
        repeated += word in rows
        rows.setdefault(word, _numbers(line, size, place))
    if size == 0 or (keep is None and not rows):
        raise ValueError(f"{path} has no vectors: each line is to hold a word and its numbers.")
    if repeated:
        logger.warning(f"{path} has {repeated} words a second time; the first vector of each counts.")
    matrix = np.stack(list(rows.values())) if rows else np.empty((0, size), dtype=np.float32)
    return WordVectors(list(rows), matrix)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each line with its number, without what ends it; lines with nothing in them are left out."""
    with cast(BinaryIO, (gzip.open if path.suffix == ".gz" else open)(path, "rb")) as file:
        try:
            for number, line in enumerate(file, 1):
                if text := line.rstrip(b" \r\n"):
                    yield number, text
        except (OSError, EOFError) as error:
            raise ValueError(f"{path} is damaged ({error}): fetch it anew.") from error


def _header(line: bytes) -> int | None:
    """Width of the vectors, where a file starts with fastText's two counts."""
    counts = line.split(b" ")
    return int(counts[1]) if len(counts) == 2 and all(count.isdigit() for count in counts) else None


def _word(line: bytes, size: int, place: str) -> str:
    columns = line.count(b" ")
    word = line.partition(b" ")[0] if columns == size else line.rsplit(b" ", size)[0]
    if columns < size or not word:
        raise ValueError(
            f"{place} has {columns} numbers after its word, and the first vector has {size}: mend the line."
        )
    try:
        return word.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{place} is not UTF-8 ({error.reason}): convert the file to UTF-8.") from error


def _numbers(line: bytes, size: int, place: str) -> FloatArray:
    try:
        vector = np.array(line.rsplit(b" ", size)[1:], dtype=np.float32)
    except ValueError as error:
        raise ValueError(f"{place} has something among its {size} numbers that is none ({error}): mend it.") from error
    if not np.isfinite(vector).all():
        raise ValueError(f"{place} has numbers that are not finite: mend or delete the line.")
    return vector


def _read_safetensors(path: Path, keep: set[str] | None) -> WordVectors:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file ({error}): fetch it anew.") from error
    matrices = [tensor for tensor in tensors.values() if tensor.ndim == 2]
    if len(matrices) != 1:
        raise ValueError(f"{path} has {len(matrices)} matrices, and is to have one (words, size).")
    words, matrix = _safetensors_words(path, metadata), matrices[0].astype(np.float32, copy=False)
    if len(words) != len(matrix):
        raise ValueError(f"{path} has {len(matrix)} vectors, and there are {len(words)} different words for them.")
    if keep is None:
        return WordVectors(words, matrix)
    rows = [row for row, word in enumerate(words) if word in keep]
    return WordVectors([words[row] for row in rows], matrix[rows])


def _safetensors_words(path: Path, metadata: dict[str, str]) -> list[str]:
    beside = path.with_suffix(".json")
    if "words" not in metadata and not beside.is_file():
        raise FileNotFoundError(
            f"nothing tells the words of the vectors in {path}: put their JSON list into its metadata as 'words', or "
            f"into {beside}."
        )
    try:
        words: Any = json.loads(metadata["words"] if "words" in metadata else beside.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"the words of {path} are no JSON ({error}): write them as a list of strings.") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"the words of {path} are no JSON list of strings: write them as one.")
    return list(dict.fromkeys(words))
