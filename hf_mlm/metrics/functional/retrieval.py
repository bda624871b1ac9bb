"""Cross-modal retrieval: medR and R@K on small pools as the papers report them, and on the whole gallery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_mlm.metrics.functional.bootstrap import percentile_interval, resampled_weights
from hf_mlm.metrics.functional.ranking import as_embeddings, ranks, two_way_ranks


__all__ = ["ranks", "retrieval_report", "sample_pools", "two_way_ranks"]


def retrieval_report(
    image_embeds: npt.ArrayLike,
    text_embeds: npt.ArrayLike,
    sample_size: int = 500,
    repeats: int = 10,
    ks: Sequence[int] = (1, 5, 10),
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Score retrieval in both directions (MLM §5.2: median rank and recall at K over ten pools of 500).

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
    full_ranks = two_way_ranks(images, texts)
    if pools.shape == whole.shape:
        pool_ranks = [full_ranks]
    else:
        pool_ranks = [two_way_ranks(images[pool], texts[pool]) for pool in pools]
    report: dict[str, Any] = {}
    for way, direction in enumerate(("image_to_text", "text_to_image")):
        small = _PoolRanks(pools, np.stack([pair[way] for pair in pool_ranks]), ks)
        full = _PoolRanks(whole, full_ranks[way][None], ks, reciprocal=True)
        report[direction] = {
            **_with_intervals(small, len(images), resamples, seed),
            "full": _with_intervals(full, len(images), resamples, seed),
        }
    size = pools.shape[1]
    chance = {"medR": (size + 1) / 2, **{f"R@{k}": min(1.0, k / size) for k in ks}}
    return {**report, "chance": chance, "pool_size": size, "pools": len(pools), "gallery_size": len(images)}


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


class _PoolRanks:
    """Ranks of one direction in some pools, sorted within each, to be summarised under any weighting of entities."""

    def __init__(
        self,
        pools: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        ks: Sequence[int],
        reciprocal: bool = False,
    ) -> None:
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


def _with_intervals(ranked: _PoolRanks, size: int, resamples: int, seed: int) -> dict[str, Any]:
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
