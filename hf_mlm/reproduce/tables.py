"""Values of a reproduced table: published ones beside ours, over seeds, with intervals and paired comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_mlm.metrics.functional.bootstrap import paired_bootstrap, percentile_interval, resampled_weights
from hf_mlm.metrics.functional.scores import precision_recall_f1
from hf_mlm.reproduce.experiments import Cell, Spec, Table
from hf_mlm.reproduce.published import published
from hf_mlm.reproduce.runs import Job, Outcome


@dataclass(frozen=True)
class Entry:
    """A cell with the published and our value, times 100 in per cent, and a bootstrap against the compared row."""

    cell: Cell
    published: float | None
    source: str
    ours: Summary | None
    finished: bool = False
    against: dict[str, Any] | None = None


Outcomes = Mapping[Spec, Mapping[int, Outcome]]


def by_spec(done: Iterable[tuple[Job, Outcome]]) -> dict[Spec, dict[int, Outcome]]:
    """Sort outcomes by spec and seed."""
    found: dict[Spec, dict[int, Outcome]] = {}
    for job, outcome in done:
        found.setdefault(job.spec, {})[job.seed] = outcome
    return found


def fill(table: Table, outcomes: Outcomes) -> list[Entry]:
    """Put published and own figures into a table's cells."""
    unit = 100.0 if table.percent else 1.0
    rivals = {cell.column: cell.spec for cell in table.cells if cell.row == table.compared_with}
    entries = []
    for cell in table.cells:
        figure = published(table.paper, table.number, cell.row, cell.column)
        runs = outcomes.get(cell.spec, {}) if cell.spec else {}
        entries.append(
            Entry(
                cell,
                figure.value if figure else None,
                figure.source if figure else "",
                _ours(cell, runs, unit),
                bool(runs),
                _against(cell, runs, rivals.get(cell.column), outcomes, unit),
            )
        )
    return entries


def _ours(cell: Cell, runs: Mapping[int, Outcome], unit: float) -> Summary | None:
    values = [outcome.metrics[cell.metric] * unit for outcome in runs.values() if cell.metric in outcome.metrics]
    if not values:
        return None
    return summarize(values, _interval(cell, next(iter(runs.values())), unit) if len(values) == 1 else None)


def _interval(cell: Cell, outcome: Outcome, unit: float) -> tuple[float, float] | None:
    """Of a single run: what it tells itself, or its test sentences resampled."""
    ends = [outcome.metrics.get(f"{cell.metric}_{end}") for end in ("low", "high")]
    if cell.metric == "test_f1" and outcome.counts:
        ends = list(f1_interval(outcome.counts))
    low, high = ends
    return None if low is None or high is None else (low * unit, high * unit)


def _against(
    cell: Cell, runs: Mapping[int, Outcome], rival: Spec | None, outcomes: Outcomes, unit: float
) -> dict[str, Any] | None:
    if rival is None or rival == cell.spec or cell.metric != "test_f1":
        return None
    found = compare(_counts(runs), _counts(outcomes.get(rival, {})))
    if found is None:
        return None
    interval = tuple(end * unit for end in found["interval"])
    return {**found, "difference": found["difference"] * unit, "interval": interval}


def _counts(runs: Mapping[int, Outcome]) -> dict[int, list[list[int]]]:
    return {seed: run.counts for seed, run in runs.items() if run.counts}


# 97.5 % quantiles of Student's t for 1 … 10 degrees of freedom.
T_QUANTILES = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)


@dataclass(frozen=True)
class Summary:
    """Mean over seeds, sample standard deviation (None of one seed), number of seeds, and 95 % interval if known."""

    mean: float
    sd: float | None
    seeds: int
    interval: tuple[float, float] | None


def summarize(values: Sequence[float], single: tuple[float, float] | None = None) -> Summary:
    """Summarize a figure over seeds.

    Raises:
        ValueError: if there is no value.
    """
    if not values:
        raise ValueError("a summary needs the figure of one seed at least.")
    if len(values) == 1:
        return Summary(values[0], None, 1, single)
    mean, sd = fmean(values), stdev(values)
    half = t_quantile(len(values) - 1) * sd / sqrt(len(values))
    return Summary(mean, sd, len(values), (mean - half, mean + half))


def t_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t; beyond the table by Cornish and Fisher's expansion."""
    if freedom <= len(T_QUANTILES):
        return T_QUANTILES[freedom - 1]
    z = NormalDist().inv_cdf(0.975)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def f1_interval(counts: npt.ArrayLike, resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Resample the sentences of one run for the 95 % interval of its micro-F1."""
    table = np.asarray(counts)
    sums = np.stack([weights @ table for weights in resampled_weights(len(table), resamples, seed)])
    return percentile_interval(precision_recall_f1(sums)[2])


def compare(
    first: Mapping[int, npt.ArrayLike], second: Mapping[int, npt.ArrayLike], resamples: int = 1000
) -> dict[str, Any] | None:
    """Compare two systems by a paired bootstrap over the test sentences (Koehn 2004).

    Sentences are drawn; both sides hold seed -> (N, 3) counts of each, which are summed over the seeds that both have,
    so that one lucky seed does not decide. None if they share none.
    """
    shared = sorted(first.keys() & second.keys())
    if not shared:
        return None
    ours, theirs = (np.sum([np.asarray(counts[seed]) for seed in shared], axis=0) for counts in (first, second))
    return paired_bootstrap(ours, theirs, resamples)
