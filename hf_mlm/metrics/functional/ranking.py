"""Ranks of the true matches among all candidates, both directions from one chunked matrix product."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt


Ties = Literal["average", "optimistic", "pessimistic"]

_CHUNK_BYTES = 44 << 20  # one chunk of similarities
_COUNTED_ROWS = 240  # at most 255: columns are counted in bytes
_DIAGONAL_ROWS = 256


def ranks(queries: npt.ArrayLike, gallery: npt.ArrayLike, ties: Ties = "average") -> npt.NDArray[np.float64]:
    """Rank each query's own gallery row by dot product, which is the cosine for unit-length rows.

    Args:
        queries: (N, D) floats; row i's true match is row i of ``gallery``.
        gallery: (N, D) floats.
        ties: where the match stands among candidates of exactly equal similarity: in their middle (``"average"``:
            collapsed embeddings score (N + 1) / 2, not 1), first (``"optimistic"``) or last (``"pessimistic"``).

    Returns:
        (N,) float64; 1 is best, N is worst.

    Raises:
        ValueError: where the shapes differ, no row is given, a row is not finite or ``ties`` is unknown.

    Example:
        >>> ranks([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        array([1., 2., 2.])
        >>> ranks([[1.0, 0.0]] * 5, [[0.0, 1.0]] * 5)
        array([3., 3., 3., 3., 3.])
    """
    matcher = _Matcher(queries, gallery, ("queries", "gallery"))
    forward, _ = matcher.count(backward=False)
    return _place(forward, ties)


def two_way_ranks(
    left: npt.ArrayLike, right: npt.ArrayLike, ties: Ties = "average"
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rank the matches in both directions; each similarity is computed once.

    Beyond the embeddings this takes one chunk of similarities and its masks, about 60 MB whatever N is.

    Args:
        left: (N, D) floats; row i belongs to row i of ``right``.
        right: (N, D) floats.
        ties: as in :func:`ranks`.

    Returns:
        Two (N,) float64 arrays: the rank of right row i for query left row i, and of left row i for query right row i.

    Raises:
        ValueError: as :func:`ranks` does.
    """
    matcher = _Matcher(left, right, ("left", "right"))
    forward, backward = matcher.count(backward=True)
    return _place(forward, ties), _place(backward, ties)


class _Matcher:
    """Counts candidates above, and not below, each true match.

    A true match's similarity comes from matrix products of the same kind as all others, because a differently rounded
    one would put every match of nearly collapsed embeddings first or last. Equal rows are ties by decree: their
    products may differ in the last bit with their place in the matrix.
    """

    def __init__(self, left: npt.ArrayLike, right: npt.ArrayLike, names: tuple[str, str]) -> None:
        self.left, self.right = as_embeddings(left, names[0]), as_embeddings(right, names[1])
        if self.left.shape != self.right.shape:
            raise ValueError(
                f"{names[0]} {self.left.shape} and {names[1]} {self.right.shape} must have one shape (N, D): row i of "
                "the one is the match of row i of the other."
            )
        self.own = _own_similarities(self.left, self.right)  # (N,)
        self.left_twins, self.right_twins = _twins(self.left), _twins(self.right)

    def count(self, *, backward: bool) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return two (2, N) tables, one a direction: candidates above the match, and candidates not below it."""
        size = len(self.left)
        forward_counts, backward_counts = np.zeros((2, size), np.int64), np.zeros((2, size), np.int64)
        step = _chunk_rows(size, self.left.itemsize)
        buffer = np.empty((min(step, size), size), self.left.dtype)
        for start in range(0, size, step):
            queries = self.left[start : start + step]  # (rows, D)
            chunk = np.matmul(queries, self.right.T, out=buffer[: len(queries)])  # (rows, N)
            for offset in range(0, len(chunk), _COUNTED_ROWS):
                similarities = chunk[offset : offset + _COUNTED_ROWS]
                rows = np.arange(start + offset, start + offset + len(similarities))
                self._settle(similarities, rows, self.own[rows, None], self.right_twins)
                forward_counts[:, rows] = _count_rows(similarities, self.own[rows, None])
                if backward:
                    self._settle(similarities, rows, self.own, self.left_twins)
                    backward_counts += _count_columns(similarities, self.own)
        return forward_counts, backward_counts

    def _settle(
        self,
        similarities: npt.NDArray[Any],
        rows: npt.NDArray[np.int64],
        own: npt.NDArray[Any],
        twins: npt.NDArray[np.int64] | None,
    ) -> None:
        """Give each match, and all rows equal to it, the match's own similarity."""
        if twins is None:
            similarities[np.arange(len(rows)), rows] = self.own[rows]
        else:
            np.copyto(similarities, own, where=twins[rows, None] == twins)


def as_embeddings(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """Take a matrix as contiguous float32 or float64, refusing what has no ranks.

    Raises:
        ValueError: where it is not (N, D) with N, D ≥ 1, not numeric, or holds a row that is not finite.
    """
    array = np.asarray(values)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} has the shape {array.shape}; give a matrix (N, D) with at least one row.")
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} has the dtype {array.dtype}; give real numbers.")
    wide = array.dtype.kind != "f" or array.itemsize >= 8
    array = np.ascontiguousarray(array, dtype=np.float64 if wide else np.float32)
    with np.errstate(over="ignore"):
        squares = np.einsum("nd,nd->n", array, array)  # finite squares bound every dot product (Cauchy-Schwarz)
    bad = np.flatnonzero(~np.isfinite(squares))
    if len(bad):
        raise ValueError(
            f"{name} has {len(bad)} row(s) with NaN, infinite or overflowing values, the first at row {bad[0]}; look "
            "at the model's output there before ranking."
        )
    return array


def _own_similarities(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[Any]:
    blocks = range(0, len(left), _DIAGONAL_ROWS)
    block = _DIAGONAL_ROWS
    return np.concatenate([np.diagonal(left[i : i + block] @ right[i : i + block].T) for i in blocks])


def _twins(rows: npt.NDArray[Any]) -> npt.NDArray[np.int64] | None:
    """Return for each row the first row equal to it, or None where all rows differ."""
    first: dict[bytes, int] = {}
    positive_zero = rows.dtype.type(0)
    digests = (blake2b(row + positive_zero, digest_size=16).digest() for row in rows)  # -0.0 equals 0.0
    twins = np.fromiter((first.setdefault(digest, i) for i, digest in enumerate(digests)), np.int64, len(rows))
    return None if len(first) == len(rows) else twins


def _chunk_rows(columns: int, itemsize: int) -> int:
    return max(16, _CHUNK_BYTES // (columns * itemsize))


def _count_rows(similarities: npt.NDArray[Any], own: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    masks = (similarities > own, similarities >= own)  # (rows, N)
    return np.stack([np.bitwise_count(np.packbits(mask, axis=1)).sum(axis=1, dtype=np.int64) for mask in masks])


def _count_columns(similarities: npt.NDArray[Any], own: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    masks = (similarities > own, similarities >= own)  # (rows, N)
    return np.stack([mask.view(np.uint8).sum(axis=0, dtype=np.uint8) for mask in masks])


def _place(counts: npt.NDArray[np.int64], ties: Ties) -> npt.NDArray[np.float64]:
    above, not_below = counts  # the match itself is among the latter
    if ties == "average":
        return (above + not_below + 1) / 2
    if ties == "optimistic":
        return (above + 1).astype(np.float64)
    if ties == "pessimistic":
        return not_below.astype(np.float64)
    raise ValueError(f"ties={ties!r} is unknown; choose one of {', '.join(get_args(Ties))}.")
