"""What is kept of a Wikidata item, read from the JSON of the dumps; statements of the best rank only.

The query service's ``wdt:`` gives *truthy* statements: the preferred ones if there are any, else those of normal rank,
never deprecated ones. A dump has them all, so the same choice is made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from hf_mlm.construction.mlm.edition import is_item_id
from hf_mlm.construction.stage import Row


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
    """Take what is needed from an item's JSON.

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
    """The values of the statements of the best rank, without those that say "unknown" or "none".

    Args:
        statements: of one property.
    """
    ranks = {statement["rank"] for statement in statements}
    best = "preferred" if "preferred" in ranks else "normal"
    for statement in statements:
        if statement["rank"] == best and statement["mainsnak"]["snaktype"] == "value":
            yield statement["mainsnak"]["datavalue"]["value"]


def site_of(language: str) -> str:
    """Name that Wikidata has for a language's Wikipedia.

    Example:
        >>> site_of("en"), site_of("be-tarask")
        ('enwiki', 'be_taraskwiki')
    """
    return f"{language.replace('-', '_')}wiki"


def file_name(name: str) -> str:
    """The spelling that Commons gives a file's name.

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
    """The value itself; half a surrogate pair, or what is no string, makes an error."""
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
