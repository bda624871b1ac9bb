"""Geo-representative sampling: from each country as many places as its share of the people (MLM-irle-gr)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


# Per cent of the population of the 28 member states of the European Union (until 2020), as MLM-irle-gr was drawn.
EU_POPULATION_SHARES = {
    "AT": 1.73,
    "BE": 2.23,
    "BG": 1.36,
    "CY": 0.17,
    "CZ": 2.07,
    "DE": 16.17,
    "DK": 1.13,
    "EE": 0.26,
    "ES": 9.14,
    "FI": 1.07,
    "FR": 13.05,
    "GB": 12.98,
    "GR": 2.09,
    "HR": 0.79,
    "HU": 1.90,
    "IE": 0.96,
    "IT": 11.76,
    "LT": 0.54,
    "LU": 0.12,
    "LV": 0.37,
    "MT": 0.10,
    "NL": 3.37,
    "PL": 7.40,
    "PT": 2.00,
    "RO": 3.78,
    "SE": 1.99,
    "SI": 0.41,
    "SK": 1.06,
}


@dataclass(frozen=True)
class QuotaSample:
    """A sample and how far it met its quotas.

    Attributes:
        rows: indices of the sampled rows, ascending int64.
        drawn: country -> rows drawn.
        shortfalls: country -> rows missing, where a country has fewer rows than its quota asks for.
    """

    rows: NDArray[np.int64]
    drawn: dict[str, int]
    shortfalls: dict[str, int]


def country_quotas(total: int = 24_000, shares: Mapping[str, float] = EU_POPULATION_SHARES) -> dict[str, int]:
    """Divide a sample among countries: ⌊share · total⌋ rows each, so that the sum stays a little below ``total``.

    Args:
        total: size of the sample. The default gives Malta, the smallest share, the 24 places that MLM has of it.
        shares: country -> per cent.

    Raises:
        ValueError: if ``total`` is below 1, or the shares are not finite, at least 0, and together at most 100.

    Example:
        >>> quotas = country_quotas()
        >>> quotas["DE"], quotas["MT"], sum(quotas.values())
        (3880, 24, 23988)
    """
    values = np.array(list(shares.values()), np.float64)
    if total < 1 or not np.isfinite(values).all() or (values < 0).any() or values.sum() > 100 + 1e-6:
        raise ValueError(
            "total has to be at least 1 and the shares per cent of at least 0 with a sum of at most 100, but total is "
            f"{total} and the shares sum to {values.sum():g} with a minimum of {values.min(initial=0):g}."
        )
    # Rounding first: 2.07 per cent of 30,000 is 621, although the product of floats is 620.9999999999999.
    return {country: int(round(share * total / 100, 6)) for country, share in shares.items()}


def sample_by_quota(
    countries: Sequence[str | None],
    total: int = 24_000,
    shares: Mapping[str, float] = EU_POPULATION_SHARES,
    seed: int = 0,
) -> QuotaSample:
    """Draw each country's quota of rows at random without replacement, or all its rows where there are too few.

    A country's draw depends on the seed and on its own rows only, so another table of shares leaves it as it is.

    Args:
        countries: (N,) ISO 3166 alpha-2 codes in capitals; None for unknown.
        total: size of the sample.
        shares: country -> per cent.
        seed: at least 0.

    Raises:
        ValueError: as `country_quotas` does, or if no row belongs to any of the countries.

    Example:
        >>> sample = sample_by_quota(["FR", "FR", "MT", "US"], total=2, shares={"FR": 50, "MT": 50})
        >>> sample.drawn, sample.shortfalls, len(sample.rows)
        ({'FR': 1, 'MT': 1}, {}, 2)
    """
    quotas = country_quotas(total, shares)
    codes = np.array([country or "" for country in countries], dtype=np.str_)
    rows = {country: np.flatnonzero(codes == country) for country in quotas}
    if not any(found.size for found in rows.values()):
        raise ValueError(
            f"None of the {codes.size} rows belongs to one of the {len(quotas)} countries with a quota; codes are "
            f"ISO 3166 alpha-2 in capitals, such as 'DE', and yours begin {codes[:5].tolist()}."
        )
    chosen = {country: _draw(rows[country], quota, country, seed) for country, quota in quotas.items()}
    drawn = {country: found.size for country, found in chosen.items()}
    missing = {country: quota - drawn[country] for country, quota in quotas.items() if quota > drawn[country]}
    return QuotaSample(np.sort(np.concatenate(list(chosen.values()))), drawn, missing)


def _draw(rows: NDArray[np.int64], quota: int, country: str, seed: int) -> NDArray[np.int64]:
    if quota >= rows.size:
        return rows
    return np.random.default_rng([seed, *country.encode()]).choice(rows, quota, replace=False)
