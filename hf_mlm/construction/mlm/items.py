"""Items of Wikidata: statements of the best rank, entities among them, the class tree, names of what they refer to.

The query service's ``wdt:`` gives *truthy* statements: the preferred ones if there are any, else those of normal rank,
never deprecated ones. A dump has them all, so the same choice is made here. Of these, instance-of statements that have
ended do not count; for the country see `choose_country`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from datatrove.data import Document
from numpy.typing import NDArray

from hf_mlm.construction.mlm.languages import MULTIPLE, file_name, label_codes, label_of, site_of
from hf_mlm.construction.stage import Block, Row, to_document


def is_item_id(value: str) -> bool:
    """Tell whether a string is the id of a Wikidata item, whose number fits into 64 bits.

    Example:
        >>> is_item_id("Q64"), is_item_id("P31"), is_item_id("Q")
        (True, False, False)
    """
    return value[:1] == "Q" and value[1:].isascii() and value[1:].isdigit() and len(value) < 20


INSTANCE_OF, SUBCLASS_OF, IMAGE, COUNTRY, COORDINATES, COUNTRY_CODE = "P31", "P279", "P18", "P17", "P625", "P297"
BEGUN, ENDED, DISPUTED = "P580", "P582", "P1310"  # qualifiers: start time, end time, statement disputed by
EARTH = "Q2"
_ENTITY = "http://www.wikidata.org/entity/"


class Claim(NamedTuple):
    """A statement of the best rank whose value is an item.

    Attributes:
        id: of the value.
        ended: true if it has an end time, be it an unknown one.
        disputed: true if somebody disputes it.
        begun: the latest year of its start times; None where it has none, or an unknown one.
    """

    id: str
    ended: bool = False
    disputed: bool = False
    begun: int | None = None


CLAIMS = pa.list_(pa.struct({"id": pa.string(), "ended": pa.bool_(), "disputed": pa.bool_(), "begun": pa.int64()}))


def claim_rows(claims: Iterable[Claim]) -> list[Row]:
    """Rows of `CLAIMS` in a fixed order, without repetitions and without values that are no items."""
    kept = {claim for claim in claims if is_item_id(claim.id)}
    ordered = sorted(kept, key=lambda claim: (item_number(claim.id), claim.ended, claim.disputed, claim.begun or 0))
    return [claim._asdict() for claim in ordered]


def current_ids(claims: Iterable[Claim]) -> list[str]:
    """Ids of the statements that have not ended, in the order of their numbers."""
    return sorted({claim.id for claim in claims if is_item_id(claim.id) and not claim.ended}, key=item_number)


def choose_country(claims: Sequence[Row], codes: Mapping[str, str]) -> tuple[str | None, str]:
    """Choose the country of an entity among its statements of the best rank.

    Left aside are, in this order, statements that have ended, countries without a code, and, where others remain,
    disputed statements; of several countries then left, the one with the latest start counts. If there is no such, the
    entity has none: a lower number is no reason.

    Args:
        claims: rows of `CLAIMS`.
        codes: id -> ISO 3166 alpha-2 code.

    Returns:
        the code or None, and the rule that decided: ``"only one"``, ``"not ended"``, ``"not disputed"``,
        ``"latest start"``, ``"none stated"``, ``"all ended"``, ``"no code"`` or ``"several"``.

    Example:
        >>> german = {"id": "Q183", "ended": False, "disputed": False, "begun": 1990}
        >>> eastern = {"id": "Q16957", "ended": True, "disputed": False, "begun": 1949}
        >>> choose_country([german, eastern], {"Q183": "DE", "Q16957": "DD"})
        ('DE', 'not ended')
    """
    lasting = [claim for claim in claims if not claim["ended"]]
    coded = [claim for claim in lasting if claim["id"] in codes]
    if not coded:
        return None, "none stated" if not claims else "no code" if lasting else "all ended"
    undisputed = [claim for claim in coded if not claim["disputed"]] or coded
    latest = max(claim["begun"] or 0 for claim in undisputed)
    newest = [claim for claim in undisputed if latest and claim["begun"] == latest]
    steps = {"only one": claims, "not ended": lasting, "not disputed": undisputed, "latest start": newest}
    for rule, left in steps.items():
        found = {codes[claim["id"]] for claim in left if claim["id"] in codes}
        if len(found) == 1:
            return found.pop(), rule
    return None, "several"


def item_schema(languages: Sequence[str]) -> pa.Schema:
    """Arrow schema of items.

    ``countries`` holds a `Claim` each, ``positions`` every coordinate with its globe, ``images`` names of files on
    Commons, ``sitelinks`` titles of Wikipedia articles; ``superclasses`` and ``country_code`` are set for classes and
    countries.
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
            "countries": CLAIMS,
            "country_code": pa.string(),
            "positions": pa.list_(position),
            "images": names,
            "sitelinks": by_language,
        }
    )


def parse_item(
    content: Mapping[str, Any], languages: Sequence[str], image_properties: Sequence[str] = (IMAGE,)
) -> Row:
    """Parse an item's JSON.

    Args:
        content: the item, as a dump or ``wbgetentities`` gives it.
        languages: of labels and sitelinks.
        image_properties: properties whose values are files on Commons.

    Returns:
        a row of `item_schema`; lists of names are sorted and without repetitions.

    Raises:
        KeyError, TypeError, AttributeError, ValueError, OverflowError: if the JSON is no item's, or a text in it is
            none that UTF-8 knows.
    """
    if not is_item_id(content["id"]):
        raise ValueError(f"{content['id']!r} is no item")
    claims = content["claims"] or {}  # empty mappings are written as []
    sitelinks = content.get("sitelinks") or {}
    told = content.get("labels") or {}
    labels = {code: _text(told[code]["value"]) for code in _codes(tuple(languages)) if code in told}
    aliases = [_text(alias["value"]) for alias in (content.get("aliases") or {}).get(MULTIPLE, ())]
    codes = sorted(str(code) for code in best_values(claims.get(COUNTRY_CODE, ())))
    files = [_text(value) for name in image_properties for value in best_values(claims.get(name, ()))]
    return {
        "id": content["id"],
        "labels": {language: label_of(labels, aliases, language) for language in languages},
        "classes": current_ids(_claims(claims, INSTANCE_OF)),
        "superclasses": _item_ids(claims, SUBCLASS_OF),
        "countries": claim_rows(_claims(claims, COUNTRY)),
        "country_code": _text(codes[0]) if codes else None,
        "positions": [_position(value) for value in best_values(claims.get(COORDINATES, ()))],
        "images": sorted({file_name(file) for file in files}),
        "sitelinks": {language: _title(sitelinks, language) for language in languages},
    }


@cache
def _codes(languages: tuple[str, ...]) -> frozenset[str]:
    return frozenset(code for language in languages for code in (*label_codes(language), MULTIPLE))


def best_statements(statements: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Give the statements of the best rank, without "unknown value" and "no value".

    Args:
        statements: of one property.
    """
    ranks = {statement["rank"] for statement in statements}
    best = "preferred" if "preferred" in ranks else "normal"
    for statement in statements:
        if statement["rank"] == best and statement["mainsnak"]["snaktype"] == "value":
            yield statement


def best_values(statements: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """Give the values of the statements of the best rank; see `best_statements`."""
    return (statement["mainsnak"]["datavalue"]["value"] for statement in best_statements(statements))


def item_id(address: str) -> str:
    """The id at the end of an item's address.

    Example:
        >>> item_id("http://www.wikidata.org/entity/Q64")
        'Q64'
    """
    return address.removeprefix(_ENTITY)


def _text(value: str) -> str:
    """The value itself; raises for half a surrogate pair and for anything but a string."""
    value.encode()
    return value


def _title(sitelinks: Mapping[str, Any], language: str) -> str | None:
    link = sitelinks.get(site_of(language))
    return None if link is None else _text(link["title"])


def _claims(claims: Mapping[str, Any], name: str) -> Iterator[Claim]:
    for statement in best_statements(claims.get(name, ())):
        qualifiers = statement.get("qualifiers") or {}
        ended, disputed = (
            any(each["snaktype"] != "novalue" for each in qualifiers.get(one, ())) for one in (ENDED, DISPUTED)
        )
        times = [each["datavalue"]["value"]["time"] for each in qualifiers.get(BEGUN, ()) if "datavalue" in each]
        years = [year for time in times if (year := year_of(time)) is not None]
        value = statement["mainsnak"]["datavalue"]["value"]["id"]
        yield Claim(value, ended, disputed, max(years, default=None))


def year_of(time: str) -> int | None:
    """The year of a time as Wikidata's JSON or RDF has it; None where there is none.

    Example:
        >>> [year_of(time) for time in ("+1990-10-03T00:00:00Z", "-0044-01-01T00:00:00Z", "http://…/genid/1")]
        [1990, -44, None]
    """
    year = time[:1] + time[1:].partition("-")[0]
    return int(year) if year.lstrip("+-").isdigit() else None


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
            "countries": CLAIMS,
            "latitude": pa.float64(),
            "longitude": pa.float64(),
            "images": names,
            "sitelinks": by_language,
        }
    )


class SelectEntities(Block):
    """Keeps instances of the classes that are on Earth and have an image and an article (MLM §3.2)."""

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


BASE_TYPES = "base types"  # fact of the stage
NAME_SCHEMA = pa.schema({"id": pa.string(), "label": pa.string(), "country_code": pa.string()})


class NamesOfDump(Block):
    """Looks up labels and codes of the classes and countries of entities in the items of a dump."""

    name = "names"

    def __init__(self, entities: Path, items: Path, languages: Sequence[str], base_types: Sequence[str] = ()) -> None:
        super().__init__()
        self.entities, self.items, self.languages = entities, items, tuple(languages)
        self.base_types = tuple(base_types)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give a row for each class and country that has a label or a code."""
        wanted = referred_items(self.read(self.entities, ["classes", "countries"])) | {*self.base_types}
        named: dict[str, Row] = {}
        for row in self.read(self.items, ["id", "labels", "superclasses", "country_code"]):
            if row["id"] in wanted and (row["superclasses"] or row["country_code"]):
                named[row["id"]] = name_row(row["id"], row["labels"], row["country_code"], self.languages)
        self.ledger.facts[BASE_TYPES] = {base: named[base]["label"] for base in self.base_types if base in named}
        for item in sorted(named, key=item_number):
            yield to_document(named[item])


def referred_items(entities: Iterable[Row]) -> set[str]:
    """Collect the classes and countries of entities."""
    return {item for row in entities for item in (*row["classes"], *(claim["id"] for claim in row["countries"]))}


def name_row(item: str, labels: dict[str, str | None], country_code: str | None, languages: Sequence[str]) -> Row:
    """A row of `NAME_SCHEMA` with the label of the first language that has one."""
    return {"id": item, "label": first_label(labels, languages), "country_code": country_code}


CLASS_SCHEMA = pa.schema({"id": pa.string(), "hops": pa.int64()})


class ClassesOfDump(Block):
    """Walks down the class tree that the items of a dump make.

    A class counts if it is one, two … or ``hops`` steps below a base type, whether or not anything is below it: the
    authors' query joined the three levels and so lost every class without a descendant three steps down.
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
