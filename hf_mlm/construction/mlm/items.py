"""Items of Wikidata: statements of the best rank, entities among them, the class tree, names of what they refer to.

The query service's ``wdt:`` gives *truthy* statements: the preferred ones if there are any, else those of normal rank,
never deprecated ones. A dump has them all, so the same choice is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datatrove.data import Document
from numpy.typing import NDArray

from hf_mlm.construction.stage import Block, Row, to_document


def is_item_id(value: str) -> bool:
    """Tell whether a string is the id of a Wikidata item, whose number fits into 64 bits.

    Example:
        >>> is_item_id("Q64"), is_item_id("P31"), is_item_id("Q")
        (True, False, False)
    """
    return value[:1] == "Q" and value[1:].isascii() and value[1:].isdigit() and len(value) < 20


INSTANCE_OF, SUBCLASS_OF, IMAGE, COUNTRY, COORDINATES, COUNTRY_CODE = "P31", "P279", "P18", "P17", "P625", "P297"
EARTH = "Q2"
_ENTITY = "http://www.wikidata.org/entity/"


def item_schema(languages: Sequence[str]) -> pa.Schema:
    """Arrow schema of items.

    ``positions`` holds every coordinate with its globe, ``images`` names of files on Commons, ``sitelinks`` titles of
    Wikipedia articles; ``superclasses`` and ``country_code`` are set for classes and countries.

    Args:
        languages: of labels and sitelinks.
    """
    by_language = pa.struct(dict.fromkeys(languages, pa.string()))
    names = pa.list_(pa.string())
    position = pa.struct({"latitude": pa.float64(), "longitude": pa.float64(), "globe": pa.string()})
    return pa.schema(
        {
            "id": pa.string(),
            "labels": by_language,
            "classes": names,
            "superclasses": names,
            "countries": names,
            "country_code": pa.string(),
            "positions": pa.list_(position),
            "images": names,
            "sitelinks": by_language,
        }
    )


def parse_item(content: Mapping[str, Any], languages: Sequence[str]) -> Row:
    """Parse an item's JSON.

    Args:
        content: the item, as a dump or ``wbgetentities`` gives it.
        languages: of labels and sitelinks.

    Returns:
        a row of `item_schema`; lists of names are sorted and without repetitions.

    Raises:
        KeyError, TypeError, AttributeError, ValueError, OverflowError: if the JSON is no item's, or a text in it is
            none that UTF-8 knows.
    """
    if not is_item_id(content["id"]):
        raise ValueError(f"{content['id']!r} is no item")
    claims = content["claims"] or {}  # empty mappings are written as []
    labels, sitelinks = content.get("labels") or {}, content.get("sitelinks") or {}
    codes = sorted(str(code) for code in best_values(claims.get(COUNTRY_CODE, ())))
    return {
        "id": content["id"],
        "labels": {language: _text(labels.get(language, {}).get("value")) for language in languages},
        "classes": _item_ids(claims, INSTANCE_OF),
        "superclasses": _item_ids(claims, SUBCLASS_OF),
        "countries": _item_ids(claims, COUNTRY),
        "country_code": _text(codes[0]) if codes else None,
        "positions": [_position(value) for value in best_values(claims.get(COORDINATES, ()))],
        "images": sorted({file_name(_text(value) or "") for value in best_values(claims.get(IMAGE, ()))}),
        "sitelinks": {language: _text(sitelinks.get(site_of(language), {}).get("title")) for language in languages},
    }


def best_values(statements: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """Give the values of the statements of the best rank, without "unknown value" and "no value".

    Args:
        statements: of one property.
    """
    ranks = {statement["rank"] for statement in statements}
    best = "preferred" if "preferred" in ranks else "normal"
    for statement in statements:
        if statement["rank"] == best and statement["mainsnak"]["snaktype"] == "value":
            yield statement["mainsnak"]["datavalue"]["value"]


def site_of(language: str) -> str:
    """The site key of a language's Wikipedia.

    Example:
        >>> site_of("en"), site_of("be-tarask")
        ('enwiki', 'be_taraskwiki')
    """
    return f"{language.replace('-', '_')}wiki"


def file_name(name: str) -> str:
    """Normalise a file's name as Commons does.

    Example:
        >>> file_name("berlin_mitte.jpg")
        'Berlin mitte.jpg'
    """
    plain = " ".join(name.replace("_", " ").split())
    return plain[:1].upper() + plain[1:]


def item_id(address: str) -> str:
    """The id at the end of an item's address.

    Example:
        >>> item_id("http://www.wikidata.org/entity/Q64")
        'Q64'
    """
    return address.removeprefix(_ENTITY)


def _text(value: str | None) -> str | None:
    """The value itself; raises for half a surrogate pair and for anything but a string."""
    if value is not None:
        value.encode()
    return value


def _item_ids(claims: Mapping[str, Any], name: str) -> list[str]:
    values = {value["id"] for value in best_values(claims.get(name, ()))}
    return sorted(filter(is_item_id, values), key=item_number)


def item_number(item: str) -> int:
    """Number in an id, by which items are ordered."""
    return int(item[1:])


def _position(value: Mapping[str, Any]) -> Row:
    latitude, longitude = float(value["latitude"]), float(value["longitude"])
    return {"latitude": latitude, "longitude": longitude, "globe": item_id(value["globe"])}


def first_label(labels: dict[str, str | None], languages: Sequence[str]) -> str | None:
    """The label in the first language that has one.

    Example:
        >>> first_label({"en": None, "de": "Köln"}, ["en", "de"])
        'Köln'
    """
    return next((label for language in languages if (label := labels.get(language))), None)


def entity_schema(languages: Sequence[str]) -> pa.Schema:
    """Arrow schema of entities: items with one position."""
    by_language = pa.struct(dict.fromkeys(languages, pa.string()))
    names = pa.list_(pa.string())
    return pa.schema(
        {
            "id": pa.string(),
            "labels": by_language,
            "classes": names,
            "countries": names,
            "latitude": pa.float64(),
            "longitude": pa.float64(),
            "images": names,
            "sitelinks": by_language,
        }
    )


class SelectEntities(Block):
    """Keeps instances of the classes that are on Earth and have an image and an article (MLM §3.2), from any source.

    Args:
        classes: folder of the stage with the classes.
    """

    name = "select entities"

    def __init__(self, classes: Path) -> None:
        super().__init__()
        self.classes = classes

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give entities, each with one position."""
        wanted = {row["id"] for row in self.read(self.classes)}
        for document in data or ():
            row = document.metadata
            reason = _defect(row, wanted)
            if reason:
                self.drop(reason)
                continue
            yield to_document(self._entity(row))

    def _entity(self, row: Row) -> Row:
        positions = sorted(map(_degrees, filter(_is_on_earth, row["positions"])))
        if len(positions) > 1:
            self.note("several coordinates, the first in order of latitude is taken")
        latitude, longitude = positions[0]
        kept = {name: row[name] for name in ("id", "labels", "classes", "countries", "images", "sitelinks")}
        return kept | {"latitude": latitude, "longitude": longitude}


def _defect(row: Row, wanted: set[str]) -> str | None:
    if not wanted.intersection(row["classes"]):
        return "no instance of the classes"
    if not row["positions"]:
        return "no coordinates"
    if not any(map(_is_on_earth, row["positions"])):
        return "off the earth"
    if not row["images"]:
        return "no image"
    return None if any(row["sitelinks"].values()) else "no article"


def _is_on_earth(position: Row) -> bool:
    return position["globe"] == EARTH and abs(position["latitude"]) <= 90 and abs(position["longitude"]) <= 180


def _degrees(position: Row) -> tuple[float, float]:
    return position["latitude"], position["longitude"]


NAME_SCHEMA = pa.schema({"id": pa.string(), "label": pa.string(), "country_code": pa.string()})


class NamesOfDump(Block):
    """Looks up labels and codes of the classes and countries of entities in the items of a dump.

    Args:
        entities: folder of the stage with the entities.
        items: folder of the stage that read the dump.
        languages: the first with a label counts.
    """

    name = "names"

    def __init__(self, entities: Path, items: Path, languages: Sequence[str]) -> None:
        super().__init__()
        self.entities, self.items, self.languages = entities, items, tuple(languages)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give a row for each class and country that has a label or a code."""
        wanted = referred_items(self.read(self.entities, ["classes", "countries"]))
        named: dict[str, Row] = {}
        for row in self.read(self.items, ["id", "labels", "superclasses", "country_code"]):
            if row["id"] in wanted and (row["superclasses"] or row["country_code"]):
                named[row["id"]] = name_row(row["id"], row["labels"], row["country_code"], self.languages)
        for item in sorted(named, key=item_number):
            yield to_document(named[item])


def referred_items(entities: Iterable[Row]) -> set[str]:
    """Collect the classes and countries of entities."""
    return {item for row in entities for item in (*row["classes"], *row["countries"])}


def name_row(item: str, labels: dict[str, str | None], country_code: str | None, languages: Sequence[str]) -> Row:
    """A row of `NAME_SCHEMA` with the label of the first language that has one."""
    return {"id": item, "label": first_label(labels, languages), "country_code": country_code}


CLASS_SCHEMA = pa.schema({"id": pa.string(), "hops": pa.int64()})


class ClassesOfDump(Block):
    """Walks down the class tree that the items of a dump make.

    A class counts if it is one, two … or ``hops`` steps below a base type, whether or not anything is below it: the
    authors' query joined the three levels and so lost every class without a descendant three steps down.

    Args:
        items: folder of the stage that read the dump.
        base_types: ids.
        hops: how many steps.
    """

    name = "classes"

    def __init__(self, items: Path, base_types: Sequence[str], hops: int) -> None:
        super().__init__()
        self.items, self.base_types, self.hops = items, tuple(base_types), hops

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give the classes and how many steps each is below the nearest base type."""
        numbers = (
            item_number(item)
            for row in self.read(self.items, ["id", "superclasses"])
            for superclass in row["superclasses"]
            for item in (row["id"], superclass)
        )
        children, parents = np.fromiter(numbers, np.int64).reshape(-1, 2).T  # (edges,) each
        base = np.array([item_number(item) for item in self.base_types])
        for number, distance in distances(children, parents, base, self.hops).items():
            yield to_document({"id": f"Q{number}", "hops": distance})


def distances(
    children: NDArray[np.int64], parents: NDArray[np.int64], base: NDArray[np.int64], hops: int
) -> dict[int, int]:
    """Steps from the nearest base, of all within ``hops`` steps; cycles do no harm.

    Args:
        children: (edges,) numbers of the classes that are below.
        parents: (edges,) what they are below.
        base: numbers to start from, at distance 0.
        hops: the most steps.

    Returns:
        number -> steps, nearest first and in the order of the numbers.

    Example:
        >>> distances(np.array([2, 3, 3]), np.array([1, 2, 1]), np.array([1]), 2)
        {1: 0, 2: 1, 3: 1}
    """
    found = dict.fromkeys(sorted(base.tolist()), 0)
    frontier = base
    for step in range(1, hops + 1):
        reached = np.unique(children[np.isin(parents, frontier)])
        frontier = np.array([number for number in reached.tolist() if number not in found], np.int64)
        found |= dict.fromkeys(frontier.tolist(), step)
    return found
