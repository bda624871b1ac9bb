from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.metrics.functional.bootstrap import paired_bootstrap
from hf_mlm.reproduce.statistics import compare, f1_interval, summarize, t_quantile


@given(st.lists(st.floats(0, 100), min_size=2, max_size=12))
def test_mean_sd_and_interval_are_scipys(values: list[float]) -> None:
    scipy = pytest.importorskip("scipy.stats")
    summary = summarize(values)
    assert summary.mean == pytest.approx(fmean(values)) and summary.seeds == len(values)
    assert summary.sd == pytest.approx(np.std(values, ddof=1), abs=1e-9) and summary.interval is not None
    half = scipy.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    assert summary.interval[1] - summary.mean == pytest.approx(half, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("freedom", [1, 2, 5, 10, 11, 20, 100])
def test_quantiles_of_t(freedom: int) -> None:
    scipy = pytest.importorskip("scipy.stats")
    assert t_quantile(freedom) == pytest.approx(scipy.t.ppf(0.975, freedom), rel=5e-4)


def test_a_single_seed_has_no_spread_and_the_interval_that_it_is_given() -> None:
    assert summarize([3.0], (2.0, 4.0)).interval == (2.0, 4.0)
    assert summarize([3.0]).sd is None and summarize([3.0]).interval is None
    with pytest.raises(ValueError, match="one seed at least"):
        summarize([])


def test_the_interval_of_one_run_holds_its_f1() -> None:
    counts = np.array([[1, 2, 2]] * 30 + [[2, 2, 2]] * 30)
    low, high = f1_interval(counts)
    assert low < 2 * 90 / (120 + 120) < high and high - low < 0.2


def test_the_comparison_of_one_seed_is_the_paired_bootstrap() -> None:
    generator = np.random.default_rng(0)
    a, b = (np.stack([generator.integers(0, 2, 80), np.ones(80, int), np.ones(80, int)], axis=1) for _ in range(2))
    assert compare({3: a}, {3: b}) == paired_bootstrap(a, b)


def test_seeds_are_pooled_and_those_that_one_side_lacks_left_out() -> None:
    better, worse = [[1, 1, 1]] * 20, [[0, 1, 1]] * 20
    found = compare({1: better, 2: worse, 3: better}, {1: worse, 2: worse})
    assert found is not None and found["difference"] == 0.5
    assert compare({1: better}, {2: worse}) is None
