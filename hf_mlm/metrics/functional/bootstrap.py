"""Percentile bootstrap over rows: intervals for one system, differences between two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_mlm.metrics.functional.scores import precision_recall_f1


def resampled_weights(size: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield how often each of ``size`` rows is drawn in each of ``resamples`` draws with replacement.

    Example:
        >>> [int(weights.sum()) for weights in resampled_weights(size=4, resamples=2, seed=0)]
        [4, 4]
    """
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(generator.integers(size, size=size), minlength=size)  # (size,)


def percentile_interval(values: npt.ArrayLike) -> tuple[float, float]:
    """Return the central interval that holds 95 % of the values.

    Example:
        >>> percentile_interval(range(41))
        (1.0, 39.0)
    """
    low, high = np.quantile(np.asarray(values, np.float64), [0.025, 0.975])
    return float(low), float(high)


def paired_bootstrap(
    counts_a: npt.ArrayLike, counts_b: npt.ArrayLike, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Compare the micro-F1 of two systems on the same rows by resampling the rows (Koehn 2004).

    Args:
        counts_a: (N, 3) true positives, predicted, actual of each row: what ``entity_counts`` returns for system A.
        counts_b: (N, 3), the same rows for system B.
        resamples: draws with replacement.
        seed: of the draws.

    Returns:
        ``difference`` (F1 of A minus F1 of B), ``interval`` (95 %, low and high) and ``p_value`` (two-sided, of no
        difference; never below 1 / (resamples + 1)).

    Raises:
        ValueError: where the two are not (N, 3) with one N ≥ 1, or ``resamples`` < 1.

    Example:
        >>> better, worse = [[2, 2, 2]] * 50, [[1, 2, 2]] * 50
        >>> result = paired_bootstrap(better, worse)
        >>> result["difference"], result["interval"], round(result["p_value"], 3)
        (0.5, (0.5, 0.5), 0.002)
    """
    a, b = np.asarray(counts_a), np.asarray(counts_b)
    if a.shape != b.shape or a.ndim != 2 or a.shape[-1] != 3 or not len(a):
        raise ValueError(
            f"counts_a {a.shape} and counts_b {b.shape} must both be (rows, 3), for the same rows in the same order, "
            "with at least one row; entity_counts gives them."
        )
    if resamples < 1:
        raise ValueError(f"resamples={resamples} gives no distribution; use at least 1, better 1000.")
    both = np.concatenate([a, b], axis=1)  # (N, 6)
    sums = np.stack([weights @ both for weights in resampled_weights(len(both), resamples, seed)])
    differences = _f1_difference(sums)  # (resamples,)
    tail = int(min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0)))
    return {
        "difference": float(_f1_difference(both.sum(axis=0))),
        "interval": percentile_interval(differences),
        "p_value": min(1.0, 2.0 * (tail + 1) / (resamples + 1)),
    }


def _f1_difference(sums: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return precision_recall_f1(sums[..., :3])[2] - precision_recall_f1(sums[..., 3:])[2]
