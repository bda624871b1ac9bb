"""Split-conformal radii: quantiles of held-out errors that make circles hold the share they promise.

A score is an error in km over the spread in km that the model itself expected: a sure answer gets a small circle
and an unsure one a large one (normalised conformal prediction; Papadopoulos et al. 2002, Lei et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_mlm.geo.distance import EARTH_RADIUS_KM


SHARES = np.arange(1, 100) / 100  # at which quantiles are kept
HALF_EARTH_KM = np.pi * EARTH_RADIUS_KM  # no two places are farther apart


def conformal_quantiles(scores: ArrayLike) -> list[float | None]:
    """Order held-out scores so that ``quantiles[k]`` bounds a new score with probability `SHARES` [k] or more.

    With N exchangeable scores that is the ⌈(N + 1) share⌉-th smallest one.

    Args:
        scores: (N,), at least 0.

    Returns:
        One number for each of `SHARES`, None where N scores are too few to promise the share.

    Example:
        >>> quantiles = conformal_quantiles([3.0, 1.0, 2.0])
        >>> quantiles[24], quantiles[49], quantiles[89]
        (1.0, 2.0, None)
    """
    ordered = np.sort(np.asarray(scores, np.float64))
    positions = np.ceil(np.round((len(ordered) + 1) * SHARES, 9)).astype(int)
    return [float(f"{ordered[k - 1]:.6g}") if k <= len(ordered) else None for k in positions]


def conformal_radii(quantiles: Sequence[float | None], spreads_km: ArrayLike, share: float) -> NDArray[np.float64]:
    """Turn expected spreads into circles that hold a share of new entities.

    Args:
        quantiles: of `conformal_quantiles`.
        spreads_km: (N,), as those that the scores were made with.
        share: in (0, 1); between two of `SHARES` the larger one counts; above the last the circle is the earth.

    Returns:
        km (N,), at most half the circumference of the earth.

    Raises:
        ValueError: if ``share`` is not in (0, 1).

    Example:
        >>> conformal_radii([2.0] * 50 + [None] * 49, [100.0], share=0.5).tolist()
        [200.0]
    """
    check_share(share)
    at = int(np.searchsorted(SHARES, share - 1e-9))
    quantile = quantiles[at] if at < len(SHARES) else None
    spreads = np.asarray(spreads_km, np.float64)
    return np.full(spreads.shape, HALF_EARTH_KM) if quantile is None else np.minimum(quantile * spreads, HALF_EARTH_KM)


def check_share(share: float) -> None:
    """Refuse a share that no circle can be promised to hold.

    Raises:
        ValueError: if it is not in (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(f"Expected share in (0, 1), found {share!r}: ask for 0.9 to be right nine times in ten.")
