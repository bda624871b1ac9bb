import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.geo.conformal import HALF_EARTH_KM, SHARES, conformal_quantiles, conformal_radii


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=300))
def test_quantiles_are_the_ranked_scores(scores: list[float]) -> None:
    ordered, quantiles = sorted(scores), conformal_quantiles(scores)
    for percent in (1, 50, 80, 90, 99):
        rank = math.ceil((len(scores) + 1) * percent / 100)
        expected = ordered[rank - 1] if rank <= len(scores) else None
        found = quantiles[percent - 1]
        assert found == pytest.approx(expected, rel=1e-5) if expected is not None else found is None


def test_new_scores_are_covered_as_promised() -> None:
    """Over many draws; with few scores the promise is kept on average, from above."""
    rng = np.random.default_rng(0)
    for count in (19, 200):
        hits = []
        for _ in range(600):
            spreads = rng.uniform(10, 1000, count + 50)
            errors = spreads * rng.lognormal(size=count + 50)
            quantiles = conformal_quantiles(errors[:count] / spreads[:count])
            hits.append(
                [(errors[count:] <= conformal_radii(quantiles, spreads[count:], s)).mean() for s in (0.5, 0.9)]
            )
        assert np.mean(hits, axis=0) == pytest.approx([0.5, 0.9], abs=0.02)


def test_more_than_can_be_promised_is_the_whole_earth() -> None:
    assert conformal_radii(conformal_quantiles([1.0, 2.0]), [10.0], 0.9).item() == HALF_EARTH_KM
    assert conformal_radii([1.0] * len(SHARES), [10.0], 0.999).item() == HALF_EARTH_KM
    assert conformal_radii([1e9] * len(SHARES), [10.0], 0.5).item() == HALF_EARTH_KM


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, math.nan])
def test_shares_outside_0_and_1_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match=rf"share in \(0, 1\), found {share}"):
        conformal_radii([1.0] * len(SHARES), [10.0], share)
