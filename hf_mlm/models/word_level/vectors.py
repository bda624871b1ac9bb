"""Vectors that words come with, matched to a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

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
    """A table of words and their vectors.

    Args:
        words: without repetitions.
        matrix: float32 (words, size).

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
    """How many words of a vocabulary have a vector.

    Args:
        exact: as they are written.
        lowercased: not so, but in lower case.
        absent: not at all; these keep the vectors that they started from.
    """

    exact: int
    lowercased: int
    absent: int

    @property
    def share(self) -> float:
        """Share of the words that have a vector."""
        return 1 - self.absent / max(sum(self), 1)


class MatchedVectors(NamedTuple):
    """The vectors of a vocabulary.

    Args:
        word_ids: int64 (found,), the words that have one.
        matrix: float32 (found, size), their vectors.
        coverage: how the words were found.
    """

    word_ids: NDArray[np.int64]
    matrix: FloatArray
    coverage: VectorCoverage


def match_vectors(vocabulary: WordVocabulary, vectors: WordVectorSource) -> MatchedVectors:
    """Find the vector of each word of a vocabulary, as it is written or else lower-cased.

    Args:
        vocabulary: whose words are looked up.
        vectors: where.

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
