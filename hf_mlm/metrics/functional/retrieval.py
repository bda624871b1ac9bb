"""Ranks of the true matches among all candidates, both directions from one chunked matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from hf_mlm.metrics.functional.bootstrap import percentile_interval, resampled_weights


Ties = Literal["average", "optimistic", "pessimistic"]
DIRECTIONS = ("image_to_text", "text_to_image")

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


def retrieval_report(
    image_embeds: npt.ArrayLike,
    text_embeds: npt.ArrayLike,
    sample_size: int = 500,
    repeats: int = 10,
    ks: Sequence[int] = (1, 5, 10),
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Score retrieval in both directions (MLM §6: median rank and recall at K over ten pools of 500).

    Similarity is the dot product, which is the cosine for unit-length embeddings. Ties count as their average rank.

    Args:
        image_embeds: (N, D) floats; row i belongs to row i of ``text_embeds``.
        text_embeds: (N, D) floats.
        sample_size: rows in one pool of candidates; the whole set, once, where it is not larger than that.
        repeats: pools to draw; figures are means over them.
        ks: cut-offs of R@K.
        seed: of the pools and of the bootstrap.
        resamples: bootstrap draws over entities for the 95 % intervals; 0 leaves the intervals out.

    Returns:
        ``image_to_text`` and ``text_to_image``, each with ``medR`` and ``R@K`` (a share in 0–1) of the pools, their
        ``intervals`` (name → (low, high)), and under ``full`` the same and ``MRR`` for the whole gallery; ``chance``
        with the figures of a random order; ``pool_size``, ``pools`` and ``gallery_size``.

    Raises:
        ValueError: where the embeddings cannot be ranked (see :func:`ranks`), or a count is out of range.

    Example:
        >>> report = retrieval_report(np.eye(4), np.eye(4)[[0, 1, 3, 2]], ks=(1, 2))
        >>> report["image_to_text"]["medR"], report["image_to_text"]["R@1"], report["text_to_image"]["full"]["MRR"]
        (2.0, 0.5, 0.6666666666666667)
    """
    images, texts = as_embeddings(image_embeds, "image_embeds"), as_embeddings(text_embeds, "text_embeds")
    _check(images, texts, ks, resamples)
    pools = sample_pools(len(images), sample_size, repeats, seed)  # (pools, size)
    whole = np.arange(len(images))[None]  # (1, N)
    full = pool_ranks(images, texts, whole, ks, reciprocal=True)
    small = pool_ranks(images, texts, pools, ks) if pools.shape != whole.shape else None
    report: dict[str, Any] = {}
    for direction in DIRECTIONS:
        whole_ranks = full[direction]
        ranked = PoolRanks(whole, whole_ranks.values, ks) if small is None else small[direction]
        report[direction] = {
            **_with_intervals(ranked, len(images), resamples, seed),
            "full": _with_intervals(whole_ranks, len(images), resamples, seed),
        }
    size = pools.shape[1]
    chance = {"medR": (size + 1) / 2, **{f"R@{k}": min(1.0, k / size) for k in ks}}
    return {**report, "chance": chance, "pool_size": size, "pools": len(pools), "gallery_size": len(images)}


def pool_ranks(
    images: npt.ArrayLike,
    texts: npt.ArrayLike,
    pools: npt.NDArray[np.int64],
    ks: Sequence[int] = (1, 5, 10),
    reciprocal: bool = False,
) -> dict[str, PoolRanks]:
    """Rank the matches within each pool of rows, by direction.

    Args:
        images: (N, D) floats; row i belongs to row i of ``texts``.
        texts: (N, D) floats.
        pools: (pools, size) rows, as `sample_pools` draws them.
        ks: cut-offs of R@K.
        reciprocal: whether summaries have an MRR.
    """
    left, right = np.asarray(images), np.asarray(texts)
    both = [two_way_ranks(left[pool], right[pool]) for pool in pools]
    return {
        direction: PoolRanks(pools, np.stack([pair[way] for pair in both]), ks, reciprocal)
        for way, direction in enumerate(DIRECTIONS)
    }


def sample_pools(gallery_size: int, sample_size: int, repeats: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw the pools that a report is computed on, each without replacement.

    Returns:
        (repeats, sample_size) int64 rows of the gallery; (1, gallery_size) where the gallery is no larger.

    Raises:
        ValueError: where ``sample_size`` or ``repeats`` is below 1.
    """
    if sample_size < 1 or repeats < 1:
        raise ValueError(f"sample_size={sample_size} and repeats={repeats} must both be at least 1.")
    if gallery_size <= sample_size:
        return np.arange(gallery_size)[None]
    generator = np.random.default_rng(seed)
    return np.stack([generator.choice(gallery_size, sample_size, replace=False) for _ in range(repeats)])


class PoolRanks:
    """Ranks of one direction in some pools, sorted within each, to be summarised under any weighting of entities."""

    def __init__(
        self,
        pools: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        ks: Sequence[int],
        reciprocal: bool = False,
    ) -> None:
        self.values = values
        order = np.argsort(values, axis=1)  # (pools, size)
        self.entities, self.ranks = np.take_along_axis(pools, order, 1), np.take_along_axis(values, order, 1)
        self.within = {k: np.count_nonzero(self.ranks <= k, axis=1) for k in ks}  # K -> (pools,)
        self.reciprocal = 1 / self.ranks if reciprocal else None

    def summary(self, weights: npt.NDArray[np.int64]) -> dict[str, float]:
        """Mean over the pools of medR, R@K and, if asked for, MRR, with entity i counted ``weights[i]`` times."""
        drawn = weights[self.entities]  # (pools, size)
        running = np.cumsum(drawn, axis=1)
        filled = running[:, -1] > 0  # a resample may miss a tiny pool altogether
        running, ranked, totals = running[filled], self.ranks[filled], running[filled, -1]
        low, high = (_at(ranked, running, (totals + shift) // 2) for shift in (1, 2))
        figures = {"medR": float(np.mean((low + high) / 2))}
        for k, within in self.within.items():
            hits = np.where(within[filled] > 0, _count_first(running, within[filled]), 0)
            figures[f"R@{k}"] = float(np.mean(hits / totals))
        if self.reciprocal is not None:
            figures["MRR"] = float(np.mean((drawn * self.reciprocal)[filled].sum(axis=1) / totals))
        return figures


def _at(
    ranked: npt.NDArray[np.float64], running: npt.NDArray[np.int64], position: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the ``position``-th (from 1) rank of each pool, rows repeated as often as drawn."""
    return np.array([row[np.searchsorted(sums, p)] for row, sums, p in zip(ranked, running, position, strict=True)])


def _count_first(running: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return running[np.arange(len(running)), rows - 1]


def _with_intervals(ranked: PoolRanks, size: int, resamples: int, seed: int) -> dict[str, Any]:
    figures: dict[str, Any] = dict(ranked.summary(np.ones(size, np.int64)))
    if resamples:
        every = resampled_weights(size, resamples, seed)
        draws = [ranked.summary(weights) for weights in every if weights[ranked.entities].any()]
        figures["intervals"] = {name: percentile_interval([draw[name] for draw in draws]) for name in figures}
    return figures


def _check(images: npt.NDArray[Any], texts: npt.NDArray[Any], ks: Sequence[int], resamples: int) -> None:
    if images.shape != texts.shape:
        raise ValueError(
            f"image_embeds {images.shape} and text_embeds {texts.shape} must have one shape (N, D): row i of the one "
            "belongs to row i of the other."
        )
    if not ks or min(ks) < 1:
        raise ValueError(f"ks={tuple(ks)} must hold at least one cut-off, each at least 1.")
    if resamples < 0:
        raise ValueError(f"resamples={resamples} must be 0 (no intervals) or more.")
