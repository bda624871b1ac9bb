"""A small Wikidata-shaped graph, written as a JSON dump and as the RDF that the query service would give.

Which statements are of the best rank is said by hand here, so that both sources are held against the same truth.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote


EARTH, MOON = "Q2", "Q405"
SETTLEMENT, CITY, TOWN, VILLAGE = "Q486972", "Q515", "Q3957", "Q532"
SPA_TOWN, HOT_SPA, TOO_DEEP = "Q4946461", "Q71", "Q72"
GERMANY, FRANCE = "Q183", "Q142"
PARENTLESS, CODELESS = "Q73", "Q74"
CASTLE, PALACE = "Q23413", "Q75"
_PREFIXES = {
    "wd": "http://www.wikidata.org/entity/",
    "wdt": "http://www.wikidata.org/prop/direct/",
    "p": "http://www.wikidata.org/prop/",
    "ps": "http://www.wikidata.org/prop/statement/",
    "pq": "http://www.wikidata.org/prop/qualifier/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "psv": "http://www.wikidata.org/prop/statement/value/",
    "wikibase": "http://wikiba.se/ontology#",
    "schema": "http://schema.org/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
}


@dataclass
class Statement:
    """A statement; ``best`` says whether it is truthy; a value of None is "unknown value".

    ``qualifiers`` are times and items by their property, None is an unknown one.
    """

    name: str
    value: Any
    rank: str = "normal"
    best: bool = True
    qualifiers: dict[str, str | None] = field(default_factory=dict)


@dataclass
class Item:
    """An item of the graph."""

    id: str
    labels: dict[str, str] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    articles: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, list[str]] = field(default_factory=dict)


def place(number: int, latitude: float, longitude: float, kind: str = CITY, country: str = GERMANY) -> Item:
    """A settlement that lacks nothing."""
    statements = [
        Statement("P31", kind),
        Statement("P17", country),
        Statement("P18", f"Place {number}.jpg"),
        Statement("P625", (latitude, longitude, EARTH)),
    ]
    titles = {"en": f"Place {number}", "de": f"Ort {number}"} | ({"fr": f"Lieu {number}"} if number % 2 else {})
    return Item(f"Q{number}", {"en": f"Place {number}", "de": f"Ort {number}"}, statements, titles)


def without(item: Item, name: str) -> Item:
    """The item without its statements of a property."""
    item.statements = [statement for statement in item.statements if statement.name != name]
    return item


def with_statements(item: Item, *statements: Statement) -> Item:
    """The item with other statements of the properties that are given."""
    for name in {statement.name for statement in statements}:
        without(item, name)
    item.statements += statements
    return item


def classes() -> list[Item]:
    """A class tree: SETTLEMENT > CITY > SPA_TOWN > HOT_SPA > TOO_DEEP, > TOWN with nothing below, and a cycle."""
    above = {CITY: [SETTLEMENT], TOWN: [SETTLEMENT], SPA_TOWN: [CITY], HOT_SPA: [SPA_TOWN], TOO_DEEP: [HOT_SPA]}
    names = {SETTLEMENT: "human settlement", CITY: "city", TOWN: "town", SPA_TOWN: "spa town"}
    items = [
        Item(name, {"en": names.get(name, f"kind {name}")}, [Statement("P279", one) for one in parents])
        for name, parents in {**above, SETTLEMENT: ["Q35145263", HOT_SPA]}.items()
    ]
    deprecated = Item(
        VILLAGE, {"en": "village"}, [Statement("P279", SETTLEMENT, "deprecated", False), Statement("P279", "Q56061")]
    )
    countries = [
        Item(GERMANY, {"en": "Germany"}, [Statement("P297", "DE"), Statement("P31", "Q6256")]),
        Item(FRANCE, {"en": "France"}, [Statement("P297", "FR")]),
    ]
    unknown = [
        Item(PARENTLESS, {"en": "kind of unknown kind"}, [Statement("P279", None)]),
        Item(CODELESS, {"en": "Nowhere"}, [Statement("P297", None)]),
    ]
    return [*items, deprecated, *countries, *unknown]


def awkward() -> dict[str, Item]:
    """One item for each thing that may be wrong or unusual."""
    on_moon = with_statements(place(901, 1, 1), Statement("P625", (1.0, 1.0, MOON)))
    preferred = with_statements(
        place(905, 0, 0),
        Statement("P625", (10.0, 10.0, EARTH), best=False),
        Statement("P625", (50.5, 7.5, EARTH), "preferred"),
        Statement("P31", CITY, "deprecated", False),
        Statement("P31", TOWN),
    )
    several = with_statements(
        place(906, 0, 0), Statement("P625", (51.0, 8.0, EARTH)), Statement("P625", (50.0, 7.0, EARTH))
    )
    several.statements += [Statement("P31", PARENTLESS), Statement("P17", CODELESS)]
    return {
        "no coordinates": without(place(900, 0, 0), "P625"),
        "on the moon": on_moon,
        "no image": without(place(902, 50, 7), "P18"),
        "no article": Item("Q903", {"en": "Nowhere"}, place(903, 50, 7).statements),
        "a village by a deprecated statement": place(904, 50, 7, VILLAGE),
        "preferred coordinates": preferred,
        "several coordinates": several,
        "deprecated class only": with_statements(place(907, 50, 7), Statement("P31", CITY, "deprecated", False)),
        "unknown image": with_statements(place(908, 50, 7), Statement("P18", None)),
        "unknown preferred image": with_statements(
            place(909, 50, 7), Statement("P18", None, "preferred"), Statement("P18", "Place 909.jpg", best=False)
        ),
        "too deep": place(910, 50, 7, TOO_DEEP),
        "a leaf three steps down": place(911, 50, 7, HOT_SPA, FRANCE),
        "underscores and accents": with_statements(place(912, 50, 7), Statement("P18", "Été_à Köln & Bonn?.jpg")),
        "no label": Item("Q913", {}, place(913, 50, 7).statements, {"de": "Ohne Namen"}),
    }


def castles() -> dict[str, Item]:
    """Castles with names, countries and files as they are on Wikidata today."""

    def castle(number: int, *statements: Statement, **parts: Any) -> Item:
        item = with_statements(place(number, 50 + number % 7, 8 + number % 5, CASTLE), *statements)
        return Item(**vars(item) | parts)

    country = partial(Statement, "P17")
    return {
        "a label in all languages": castle(2001, labels={"mul": "Schloss A"}),
        "labels and one in all languages": castle(2002, labels={"mul": "Schloss B", "en": "B Castle"}),
        "aliases in all languages": castle(2003, labels={}, aliases={"mul": ["Zed", "Abe"], "en": ["Aaa"]}),
        "a class with a label in all languages": castle(2004, Statement("P31", PALACE)),
        "not ended": castle(2005, country(FRANCE, qualifiers={"P582": None, "P580": "1990"}), country(GERMANY)),
        "all ended": castle(2006, country(FRANCE, qualifiers={"P582": "1945"})),
        "not disputed": castle(2007, country(GERMANY, qualifiers={"P1310": "Q1"}), country(FRANCE)),
        "latest start": castle(
            2008, country(GERMANY, qualifiers={"P580": "1945"}), country(FRANCE, qualifiers={"P580": "1990"})
        ),
        "several": castle(2009, country(GERMANY), country(FRANCE, qualifiers={"P580": None})),
        "no code": castle(2010, country(CODELESS)),
        "none stated": without(castle(2011), "P17"),
        "no castle any more": castle(2012, Statement("P31", CASTLE, qualifiers={"P582": "1990"})),
        "a file without a capital": castle(2013, Statement("P18", "თა_ß.jpg")),
        "Norwegian": castle(2014, labels={"nb": "Borg", "en": "Castle"}, articles={"no": "Borg", "en": "Castle"}),
    }


def world(size: int = 36) -> list[Item]:
    """Classes, countries, ``size`` ordinary places in two clusters, the awkward ones, and castles."""
    ordinary = [
        place(1000 + n, 50 + n / 1000, 7 + n / 1000) if n % 3 else place(1000 + n, 46 + n / 1000, 3, TOWN, FRANCE)
        for n in range(size)
    ]
    kinds = [
        Item(CASTLE, {"en": "castle"}, [Statement("P279", "Q41176")]),
        Item(PALACE, {"mul": "palace"}, [Statement("P279", CASTLE)]),
    ]
    return [*classes(), *ordinary, *awkward().values(), *kinds, *castles().values()]


def dump_lines(items: list[Item]) -> list[str]:
    """The lines of a JSON dump, brackets and commas included."""
    return ["[", *(json.dumps(_json(item), ensure_ascii=False, separators=(",", ":")) + "," for item in items), "]"]


def dump_text(items: list[Item]) -> bytes:
    """A JSON dump."""
    return ("\n".join(dump_lines(items)) + "\n").encode()


def _json(item: Item) -> dict[str, Any]:
    claims: dict[str, list[Any]] = {}
    for statement in item.statements:
        claim: dict[str, Any] = {"mainsnak": _snak(statement), "rank": statement.rank}
        if statement.qualifiers:
            claim["qualifiers"] = {name: [_qualifier(text)] for name, text in statement.qualifiers.items()}
        claims.setdefault(statement.name, []).append(claim)
    named = {language: {"language": language, "value": text} for language, text in item.labels.items()}
    links = {f"{code}wiki": {"site": f"{code}wiki", "title": title} for code, title in item.articles.items()}
    aliases = {code: [{"language": code, "value": text} for text in texts] for code, texts in item.aliases.items()}
    parts = {"labels": named, "aliases": aliases, "claims": claims, "sitelinks": links}
    return {"type": "item", "id": item.id} | {name: part or [] for name, part in parts.items()}


def _qualifier(text: str | None) -> dict[str, Any]:
    if text is None:
        return {"snaktype": "somevalue"}
    value = {"id": text} if text[0] == "Q" else {"time": f"+{text}-00-00T00:00:00Z"}
    return {"snaktype": "value", "datavalue": {"value": value}}


def _snak(statement: Statement) -> dict[str, Any]:
    if statement.value is None:
        return {"snaktype": "somevalue", "property": statement.name}
    value = statement.value
    if statement.name == "P625":
        globe = f"http://www.wikidata.org/entity/{value[2]}"
        value = {"latitude": value[0], "longitude": value[1], "altitude": None, "precision": 0.01, "globe": globe}
    elif statement.name in ("P31", "P279", "P17"):
        value = {"entity-type": "item", "numeric-id": int(value[1:]), "id": value}
    return {"snaktype": "value", "property": statement.name, "datavalue": {"value": value}}


def turtle(items: list[Item]) -> str:
    """The same as RDF."""
    lines = [f"@prefix {name}: <{address}> ." for name, address in _PREFIXES.items()]
    for item in items:
        lines += [f"wd:{item.id} rdfs:label {json.dumps(text)}@{language} ." for language, text in item.labels.items()]
        for language, texts in item.aliases.items():
            lines += [f"wd:{item.id} skos:altLabel {json.dumps(text)}@{language} ." for text in texts]
        for language, title in item.articles.items():
            article = f"<https://{language}.wikipedia.org/wiki/{quote(title)}>"
            lines.append(f"{article} schema:about wd:{item.id} ; schema:name {json.dumps(title)}@{language} ;")
            lines.append(f"  schema:isPartOf <https://{language}.wikipedia.org/> .")
        for number, statement in enumerate(item.statements):
            lines += _triples(item, statement, f"{item.id}-{number}")
    return "\n".join(lines)


def _triples(item: Item, statement: Statement, node: str) -> list[str]:
    if statement.name == "P625":
        latitude, longitude, globe = statement.value
        rank = "a wikibase:BestRank ;" if statement.best else ""
        return [
            f"wd:{item.id} p:P625 <urn:s:{node}> . <urn:s:{node}> {rank} psv:P625 <urn:v:{node}> .",
            f"<urn:v:{node}> wikibase:geoLatitude {float(latitude)!r} ; wikibase:geoLongitude {float(longitude)!r} ;",
            f"  wikibase:geoGlobe wd:{globe} .",
        ]
    if not statement.best:
        return []
    if statement.value is None:  # a blank node, as the query service had them, or the address that it has for one now
        unknown = "[]" if int(item.id[1:]) % 2 else f"<http://www.wikidata.org/.well-known/genid/{node}>"
        return [f"wd:{item.id} wdt:{statement.name} {unknown} ."]
    claim = [] if statement.name not in ("P31", "P17") else _claim(item, statement, node)
    others = {
        "P18": f"<http://commons.wikimedia.org/wiki/Special:FilePath/{quote(str(statement.value))}>",
        "P297": f'"{statement.value}"',
    }
    value = others.get(statement.name, f"wd:{statement.value}")
    return [f"wd:{item.id} wdt:{statement.name} {value} .", *claim]


def _claim(item: Item, statement: Statement, node: str) -> list[str]:
    """The statement's node, which its qualifiers belong to."""
    lines = [f"wd:{item.id} p:{statement.name} <urn:s:{node}> . <urn:s:{node}> a wikibase:BestRank ;"]
    lines.append(f"  ps:{statement.name} wd:{statement.value} .")
    for name, text in statement.qualifiers.items():
        value = "[]" if text is None else f"wd:{text}" if text[0] == "Q" else f'"{text}-01-01T00:00:00Z"'
        lines.append(f"<urn:s:{node}> pq:{name} {value} .")
    return lines
