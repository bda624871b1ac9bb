"""A fair, broad and repeatable choice among the places."""

from __future__ import annotations

import numpy as np

from hf_mlm.world.hashing import uniform
from hf_mlm.world.imagery import corners
from hf_mlm.world.places import Places


SMALLEST = 7


def sample(places: Places, size: int, seed: int = 0) -> np.ndarray:
    """Choose ``size`` places without replacement.

    A country's weight grows as the square root of its number of places, so that neither Europe's and Mexico's many
    villages nor Asia's few large entries crowd out the rest; within a country, a place's weight grows as the fourth
    root of its population, so that most are small but known towns are there. A world of up to about 150,000 places
    has no two whose patches are the same, because the most populous place of a pixel of imagery goes before the
    others (which keeps city districts out), and none with a digit in its name ("Ct 0001" is a census tract). Samples
    are nested: a smaller world's places are in every larger one of the same seed.

    Args:
        places: the N places to choose from.
        size: how many, 7 … N: six S2 cells cover the earth, so that two of seven places share one, as a cell needs.
        seed: another seed, another sample.

    Returns:
        int64 (size,), positions in ``places``.

    Raises:
        ValueError: ``size`` is not in 7 … N.
    """
    if not SMALLEST <= size <= len(places):
        raise ValueError(f"size={size}: a world has between {SMALLEST} and {len(places):,} places.")
    _, country, counts = np.unique(places.countries.astype(str), return_inverse=True, return_counts=True)
    weights = (places.populations + 500.0) ** 0.25 / np.sqrt(counts[country])
    # Weighted sampling without replacement: the largest u^(1/w) (Efraimidis and Spirakis, 2006).
    keys = np.log(uniform(places.geoname_ids, "sample", seed)) / weights
    return np.lexsort((places.geoname_ids, -keys, _tiers(places)))[:size]


def _tiers(places: Places) -> np.ndarray:
    """0 for the places to take first, 1 and more for those that come when these are used up; int64 (N,)."""
    numbered = [any(letter.isdigit() for letter in name) for name in places.names]
    return np.where(numbered, 1, 0) + _rank_in_pixel(places)


def _rank_in_pixel(places: Places) -> np.ndarray:
    """0 for the most populous place centred on a pixel of imagery, 1 for the next, …; int64 (N,)."""
    rows, columns = corners(places.latitudes, places.longitudes, 2700, 5400, 0)
    pixel = rows * 5400 + columns
    order = np.lexsort((places.geoname_ids, -places.populations, pixel))
    starts = np.flatnonzero(np.diff(pixel[order], prepend=-1))
    ranks = np.empty(len(places), dtype=np.int64)
    ranks[order] = np.arange(len(places)) - np.repeat(starts, np.diff(starts, append=len(places)))
    return ranks
