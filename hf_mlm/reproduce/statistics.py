"""Figures of several runs: mean and spread over seeds, and whether one system is better than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_mlm.metrics.functional.bootstrap import paired_bootstrap, percentile_interval, resampled_weights
from hf_mlm.metrics.functional.scores import precision_recall_f1


# 97.5 % quantiles of Student's t for 1 … 10 degrees of freedom.
T_QUANTILES = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)


@dataclass(frozen=True)
class Summary:
    """A figure over its seeds.

    Attributes:
        mean: over the seeds.
        sd: sample standard deviation; None of a single seed.
        seeds: number of them.
        interval: 95 %, low and high; None where nothing tells it.
    """

    mean: float
    sd: float | None
    seeds: int
    interval: tuple[float, float] | None


def summarize(values: Sequence[float], single: tuple[float, float] | None = None) -> Summary:
    """Summarize a figure over seeds.

    Args:
        values: one a seed.
        single: the interval of a run that stands alone, from resampling its rows.

    Returns:
        With two seeds or more, the 95 % interval is that of the mean by Student's t.

    Raises:
        ValueError: if there is no value.

    Example:
        >>> summary = summarize([70.0, 71.0, 72.0])
        >>> summary.mean, summary.sd, [round(end, 2) for end in summary.interval]
        (71.0, 1.0, [68.52, 73.48])
    """
    if not values:
        raise ValueError("a summary needs the figure of one seed at least.")
    if len(values) == 1:
        return Summary(values[0], None, 1, single)
    mean, sd = fmean(values), stdev(values)
    half = t_quantile(len(values) - 1) * sd / sqrt(len(values))
    return Summary(mean, sd, len(values), (mean - half, mean + half))


def t_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t; beyond the table by Cornish and Fisher's expansion.

    Example:
        >>> round(t_quantile(2), 2), round(t_quantile(30), 2)
        (4.3, 2.04)
    """
    if freedom <= len(T_QUANTILES):
        return T_QUANTILES[freedom - 1]
    z = NormalDist().inv_cdf(0.975)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def f1_interval(counts: npt.ArrayLike, resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Resample the sentences of one run for the 95 % interval of its micro-F1.

    Args:
        counts: (N, 3) true positives, predicted, actual of each sentence.
        resamples: draws with replacement.
        seed: of the draws.

    Example:
        >>> f1_interval([[1, 1, 1]] * 20)
        (1.0, 1.0)
    """
    table = np.asarray(counts)
    sums = np.stack([weights @ table for weights in resampled_weights(len(table), resamples, seed)])
    return percentile_interval(precision_recall_f1(sums)[2])


def compare(
    first: Mapping[int, npt.ArrayLike], second: Mapping[int, npt.ArrayLike], resamples: int = 1000
) -> dict[str, Any] | None:
    """Compare two systems by a paired bootstrap over the test sentences (Koehn 2004).

    Sentences are drawn, and the counts of a sentence are those of all seeds together, so that one lucky seed does not
    decide.

    Args:
        first: seed -> (N, 3) counts of each sentence.
        second: the same of the system that it is compared with, on the same sentences.
        resamples: draws with replacement.

    Returns:
        What `paired_bootstrap` returns, over the seeds that both have; None if they share none.

    Example:
        >>> compare({1: [[2, 2, 2]] * 40}, {1: [[1, 2, 2]] * 40})["difference"]
        0.5
    """
    shared = sorted(first.keys() & second.keys())
    if not shared:
        return None
    ours, theirs = (np.sum([np.asarray(counts[seed]) for seed in shared], axis=0) for counts in (first, second))
    return paired_bootstrap(ours, theirs, resamples)
