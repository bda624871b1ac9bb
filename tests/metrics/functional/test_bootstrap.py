import numpy as np
import pytest

from hf_mlm.metrics.functional.bootstrap import paired_bootstrap, percentile_interval, resampled_weights


def systems(rows=200, gain=0.1, seed=0):
    """Counts of two systems on sentences of three gold entities, the first better by ``gain``."""
    generator = np.random.default_rng(seed)
    hits = [generator.binomial(3, share, rows) for share in (0.6 + gain, 0.6)]
    return [np.stack([hit, np.full(rows, 3), np.full(rows, 3)], axis=1) for hit in hits]


def micro_f1(counts):
    hits, predicted, gold = counts.sum(axis=0)
    return 2 * hits / (predicted + gold)


def test_differences_are_those_of_resampled_rows():
    better, worse = systems()
    result = paired_bootstrap(better, worse, resamples=60, seed=4)
    differences = []
    for weights in resampled_weights(200, 60, seed=4):
        rows = np.repeat(np.arange(200), weights)
        differences.append(micro_f1(better[rows]) - micro_f1(worse[rows]))
    assert result["difference"] == pytest.approx(micro_f1(better) - micro_f1(worse))
    assert result["interval"] == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])))


def test_a_clear_gain_is_significant_and_turns_its_sign():
    better, worse = systems(gain=0.2)
    result, turned = paired_bootstrap(better, worse), paired_bootstrap(worse, better)
    assert result["p_value"] < 0.01 < result["interval"][0]
    assert turned["difference"] == -result["difference"]
    assert turned["p_value"] == result["p_value"]


def test_a_system_does_not_differ_from_itself():
    counts, _ = systems()
    assert paired_bootstrap(counts, counts) == {"difference": 0.0, "interval": (0.0, 0.0), "p_value": 1.0}


def test_equal_systems_are_found_different_about_as_often_as_promised():
    p_values = [paired_bootstrap(*systems(gain=0.0, seed=seed), resamples=200)["p_value"] for seed in range(100)]
    assert sum(p < 0.05 for p in p_values) <= 14
    assert 0.3 < np.mean(p_values) < 0.7


def test_weights_are_draws_with_replacement():
    drawn = np.stack(list(resampled_weights(50, 400, seed=0)))
    assert (drawn.sum(axis=1) == 50).all()
    assert np.abs(drawn.mean(axis=0) - 1).max() < 0.3
    assert drawn.max() > 2


def test_interval_leaves_a_fortieth_on_either_side():
    assert percentile_interval(np.arange(401)) == (10.0, 390.0)


@pytest.mark.parametrize(
    ("a", "b", "resamples", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 3)), 10, r"counts_a \(2, 3\) and counts_b \(3, 3\)"),
        (np.ones((2, 2)), np.ones((2, 2)), 10, r"\(rows, 3\)"),
        (np.ones((0, 3)), np.ones((0, 3)), 10, "at least one row"),
        (np.ones((2, 3)), np.ones((2, 3)), 0, "resamples=0"),
    ],
)
def test_bad_arguments_are_named(a, b, resamples, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(a, b, resamples)
