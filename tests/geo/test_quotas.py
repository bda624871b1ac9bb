import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hf_mlm.geo.quotas import EU_POPULATION_SHARES, country_quotas, sample_by_quota


ROWS = st.lists(st.sampled_from(["DE", "FR", "MT", "US", None]), min_size=1, max_size=200)


def test_there_are_28_shares_that_sum_to_100():
    assert len(EU_POPULATION_SHARES) == 28
    assert sum(map(Fraction, map(str, EU_POPULATION_SHARES.values()))) == 100


@given(st.integers(1, 10**6))
@example(30_000)  # where floats alone fall below a whole number
def test_quotas_equal_exact_fractions(total):
    exact = {country: int(Fraction(str(share)) * total / 100) for country, share in EU_POPULATION_SHARES.items()}
    assert country_quotas(total) == exact


@given(ROWS, st.integers(1, 300), st.integers(0, 99))
def test_samples_hold_each_country_s_quota_or_all_it_has(rows, total, seed):
    if not {"DE", "FR", "MT"} & set(rows):
        return
    sample = sample_by_quota(rows, total, seed=seed)
    quotas = country_quotas(total)
    drawn = [rows[row] for row in sample.rows]
    assert len(set(sample.rows.tolist())) == len(sample.rows) and sample.rows.tolist() == sorted(sample.rows)
    for country, quota in quotas.items():
        assert drawn.count(country) == sample.drawn[country] == min(quota, rows.count(country))
        assert sample.shortfalls.get(country, 0) == max(quota - rows.count(country), 0)
    assert None not in drawn and "US" not in drawn


def test_samples_are_seeded_and_uniform():
    rows = ["DE"] * 100 + ["FR"] * 100
    draws = [sample_by_quota(rows, 20, {"DE": 50, "FR": 50}, seed).rows for seed in range(400)]
    assert np.array_equal(draws[7], sample_by_quota(rows, 20, {"DE": 50, "FR": 50}, 7).rows)
    times = np.bincount(np.concatenate(draws), minlength=200)  # each expected 40 times, with deviation 6
    assert times.min() > 15 and times.max() < 65
    only_france = sample_by_quota(rows, 20, {"FR": 50}, 7).rows
    assert np.array_equal(only_france, draws[7][draws[7] >= 100])


@pytest.mark.parametrize(
    ("total", "shares", "sentence"),
    [
        (0, {"DE": 1.0}, "total is 0"),
        (10, {"DE": 60.0, "FR": 60.0}, "shares sum to 120"),
        (10, {"DE": -1.0}, "minimum of -1"),
        (10, {"DE": float("nan")}, "sum to nan"),
    ],
)
def test_impossible_quotas_are_refused(total, shares, sentence):
    with pytest.raises(ValueError, match=sentence):
        country_quotas(total, shares)


def test_rows_without_any_country_of_the_table_are_refused():
    with pytest.raises(ValueError, match=r"None of the 2 rows .* such as 'DE', and yours begin \['de', 'fr'\]"):
        sample_by_quota(["de", "fr"])


@pytest.mark.real
def test_the_published_european_sample_is_reproduced(shared_data):
    def counts(name: str) -> dict[str, int]:
        lines = (shared_data / "mlm" / name).read_text()
        return {country: int(count) for country, count in re.findall(r"^([A-Z]{2}): (\d+)$", lines, re.MULTILINE)}

    available = {country: n for country, n in counts("MLM_v1_coord_stats.txt").items() if country != "EU"}
    sample = sample_by_quota([country for country, n in available.items() for _ in range(n)])
    assert sample.drawn == counts("MLM_v1_eu.txt")
    assert len(sample.rows) == 23_809
    assert sample.shortfalls == {"RO": 907 - 728}
