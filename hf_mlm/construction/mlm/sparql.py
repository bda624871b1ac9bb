"""Entities of a SPARQL endpoint: queries about many items at once, halved where they are too much for the server."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from datatrove.data import Document

from hf_mlm.construction.http import RETRIED, HttpSettings, PoliteClient, Request, Response, UnavailableError
from hf_mlm.construction.mlm.items import (
    BASE_TYPES,
    COUNTRY,
    IMAGE,
    INSTANCE_OF,
    Claim,
    claim_rows,
    current_ids,
    is_item_id,
    item_id,
    item_number,
    name_row,
    referred_items,
    year_of,
)
from hf_mlm.construction.mlm.languages import MULTIPLE, domain_of, file_name, label_codes, label_of
from hf_mlm.construction.stage import Block, Row, batched, to_document


WIKIDATA = "https://query.wikidata.org/sparql"
BATCH = 200  # items in a query
# Too much for the server: its own limit (500), a gateway's (502, 504), a body that ends in the middle.
_TOO_MUCH = frozenset({500, 502, 504})
PREFIXES = """\
PREFIX wd: <http://www.wikidata.org/entity/>
PREFIX wdt: <http://www.wikidata.org/prop/direct/>
PREFIX p: <http://www.wikidata.org/prop/>
PREFIX ps: <http://www.wikidata.org/prop/statement/>
PREFIX psv: <http://www.wikidata.org/prop/statement/value/>
PREFIX pq: <http://www.wikidata.org/prop/qualifier/>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX wikibase: <http://wikiba.se/ontology#>
PREFIX schema: <http://schema.org/>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
"""


@dataclass(frozen=True)
class Endpoint:
    """A SPARQL endpoint.

    Attributes:
        client: that asks.
        url: address.
        batch: the most items in a query.
    """

    client: PoliteClient
    url: str = WIKIDATA
    batch: int = BATCH

    def select(self, query: str, items: Sequence[str]) -> Iterator[dict[str, str]]:
        """Ask one query about many items.

        Args:
            query: with ``{values}`` in place of the items, as in ``VALUES ?item {{ {values} }}``.
            items: ids.

        Yields:
            the bindings as strings, in the order of the batches.

        Raises:
            UnavailableError: if the endpoint does not answer, or not even about a single item: nothing is skipped.
        """
        for start in range(0, len(items), self.batch):
            yield from self._halving(query, items[start : start + self.batch])

    def _halving(self, query: str, items: Sequence[str]) -> Iterator[dict[str, str]]:
        about = query.format(values=" ".join(f"wd:{item}" for item in items))
        bindings = self.ask(about) if len(items) > 1 else self.insist(about, f"{items[0]} alone")
        if bindings is not None:
            yield from bindings
        else:
            middle = len(items) // 2
            yield from self._halving(query, items[:middle])
            yield from self._halving(query, items[middle:])

    def ask(self, query: str) -> list[dict[str, str]] | None:
        """Ask once.

        Returns:
            the bindings; None if that was too much for the server.

        Raises:
            UnavailableError: if the endpoint does not answer.
            ValueError: if it does not understand the query.
        """
        response = self._post(query, self._is_understood, RETRIED - _TOO_MUCH)
        return None if response.status in _TOO_MUCH else _bindings(response)

    def insist(self, query: str, about: str) -> list[dict[str, str]]:
        """Repeat a query that cannot be made any smaller until there is a response; failures are not recorded.

        Args:
            query: SPARQL.
            about: its subject, for the message.

        Raises:
            UnavailableError: if the endpoint does not answer, or it is too much for it every time.
            ValueError: if it does not understand the query.
        """
        try:
            response = self._post(query, lambda one: self._is_understood(one) and _bindings(one) is not None, RETRIED)
        except UnavailableError as error:
            if self.client.settings.offline:
                raise
            raise UnavailableError(
                f"Expected a response of {self.url} about {about}, found none however often it was asked; run the "
                "same command again later, it goes on where it stopped, or build from a dump instead."
            ) from error
        return _bindings(response) or []

    def _post(self, query: str, is_final: Callable[[Response], bool], retried: frozenset[int]) -> Response:
        return self.client.ask(
            Request("POST", self.url, {"query": PREFIXES + query, "format": "json"}, is_final, retried)
        )

    def _is_understood(self, response: Response) -> bool:
        if response.status != 200 and response.status not in _TOO_MUCH:
            raise ValueError(
                f"Expected bindings of {self.url}, found status {response.status}: {response.content[:200]!r}."
            )
        return True


def _bindings(response: Response) -> list[dict[str, str]] | None:
    """The bindings of a response; None of one that breaks off."""
    try:
        bindings = json.loads(response.content)["results"]["bindings"]
    except ValueError:  # the query service reports a time-out behind the bindings that it has sent already
        return None
    return [{name: value["value"] for name, value in binding.items()} for binding in bindings]


INSTANCE_SCHEMA = pa.schema({"id": pa.string()})
SUBCLASSES = "SELECT DISTINCT ?class WHERE {{ VALUES ?above {{ {values} }} ?class wdt:P279 ?above }}"
INSTANCES = "SELECT DISTINCT ?item WHERE {{ VALUES ?class {{ {values} }} ?item wdt:P31 ?class }}"
SLICE = "SELECT DISTINCT ?item WHERE {{ ?item wdt:P31 wd:{item} FILTER(STRENDS(STR(?item), '{digits}')) }}"
POSITIONS = """\
SELECT ?item ?statement ?latitude ?longitude ?globe WHERE {{ VALUES ?item {{ {values} }}
?item p:P625 ?statement . ?statement a wikibase:BestRank ; psv:P625 ?value .
?value wikibase:geoLatitude ?latitude ; wikibase:geoLongitude ?longitude ; wikibase:geoGlobe ?globe }}"""
CLAIMS = """\
SELECT ?item ?main ?statement ?value ?begun ?ended ?disputed WHERE {{ VALUES ?item {{ {values} }}
VALUES (?claim ?main) {{ (p:P31 ps:P31) (p:P17 ps:P17) }}
?item ?claim ?statement . ?statement a wikibase:BestRank ; ?main ?value FILTER(!isBlank(?value))
OPTIONAL {{ ?statement pq:P580 ?begun }} OPTIONAL {{ ?statement pq:P582 ?ended }}
OPTIONAL {{ ?statement pq:P1310 ?disputed }} }}"""
FILES = """\
SELECT DISTINCT ?item ?file WHERE {{ VALUES ?item {{ {values} }} VALUES ?property {{ {properties} }}
?item ?property ?file FILTER(!isBlank(?file)) }}"""
LABELS = """\
SELECT ?item ?kind ?label (LANG(?label) AS ?language) WHERE {{ VALUES ?item {{ {values} }}
VALUES ?kind {{ rdfs:label skos:altLabel }} ?item ?kind ?label
FILTER(IF(?kind = rdfs:label, LANG(?label) IN ({languages}), LANG(?label) = "mul")) }}"""
ARTICLES = """\
SELECT ?item ?site ?title WHERE {{ VALUES ?item {{ {values} }} VALUES ?site {{ {sites} }}
?article schema:about ?item ; schema:isPartOf ?site ; schema:name ?title }}"""
CODES = "SELECT ?item ?code WHERE {{ VALUES ?item {{ {values} }} ?item wdt:P297 ?code FILTER(isLiteral(?code)) }}"
CLASSES = "SELECT ?item ?above WHERE {{ VALUES ?item {{ {values} }} ?item wdt:P279 ?above }}"
_SLICES = 3  # digits at most, hence a thousand parts of a class


@dataclass(frozen=True)
class EndpointSettings:
    """Address and manners of an endpoint."""

    http: HttpSettings
    url: str = WIKIDATA
    batch: int = BATCH

    def open(self) -> Endpoint:
        """The endpoint, in the process that asks."""
        return Endpoint(PoliteClient(self.http), self.url, self.batch)


class SparqlBlock(Block):
    """A block that asks an endpoint; the manifest keeps its queries."""

    queries: dict[str, str] = {}

    def __init__(self, endpoint: EndpointSettings) -> None:
        super().__init__()
        self.endpoint = endpoint

    def open(self) -> Endpoint:
        """The endpoint; address and queries go into the manifest."""
        self.ledger.facts |= {"endpoint": self.endpoint.url, "queries": self.queries}
        return self.endpoint.open()


class ClassesOfEndpoint(SparqlBlock):
    """Descends the class tree level by level; see `ClassesOfDump`."""

    name = "classes"
    queries = {"subclasses": SUBCLASSES}

    def __init__(self, endpoint: EndpointSettings, base_types: Sequence[str], hops: int) -> None:
        super().__init__(endpoint)
        self.base_types, self.hops = tuple(base_types), hops

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give the classes and how many steps each is below the nearest base type."""
        endpoint = self.open()
        frontier, found = sorted(set(self.base_types), key=item_number), set(self.base_types)
        for hops in range(self.hops + 1):
            for item in frontier:
                yield to_document({"id": item, "hops": hops})
            if hops < self.hops:
                below = {item_id(binding["class"]) for binding in endpoint.select(SUBCLASSES, frontier)}
                frontier = sorted(filter(is_item_id, below - found), key=item_number)
                found |= below


class InstancesOfEndpoint(SparqlBlock):
    """Lists the instances of a task's share of the classes.

    A class too large for one query is asked in ten parts by the last digit of its instances' ids, each of these again
    in ten, and so on.
    """

    name = "instances"
    queries = {"instances": INSTANCES, "slice": SLICE}

    def __init__(self, endpoint: EndpointSettings, classes: Path) -> None:
        super().__init__(endpoint)
        self.classes = classes

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give the ids, each once within a task."""
        endpoint = self.open()
        classes = [row["id"] for row in self.read(self.classes)][rank::world_size]
        found = {item for one in classes for item in self._instances(endpoint, one)}
        for item in sorted(filter(is_item_id, found), key=item_number):
            yield to_document({"id": item})

    def _instances(self, endpoint: Endpoint, item: str) -> list[str]:
        bindings = endpoint.ask(INSTANCES.format(values=f"wd:{item}"))
        return self._slices(endpoint, item, "") if bindings is None else _ids(bindings)

    def _slices(self, endpoint: Endpoint, item: str, digits: str) -> list[str]:
        self.note(f"instances of {item} asked in parts")
        found: list[str] = []
        for ending in (digit + digits for digit in "0123456789"):
            query = SLICE.format(item=item, digits=ending)
            if len(ending) < _SLICES:
                bindings = endpoint.ask(query)
            else:
                bindings = endpoint.insist(query, f"the instances of {item} whose ids end with {ending}")
            found += self._slices(endpoint, item, ending) if bindings is None else _ids(bindings)
        return found


class ItemsOfEndpoint(SparqlBlock):
    """Describes a task's share of the instances, in rows of `items.item_schema`."""

    name = "items"
    queries = {"positions": POSITIONS, "claims": CLAIMS, "files": FILES, "labels": LABELS, "articles": ARTICLES}

    def __init__(
        self,
        endpoint: EndpointSettings,
        instances: Path,
        languages: Sequence[str],
        image_properties: Sequence[str] = (IMAGE,),
    ) -> None:
        super().__init__(endpoint)
        self.instances, self.languages = instances, tuple(languages)
        self.image_properties = tuple(image_properties)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give items in the order of their numbers, each in the task that its number falls to."""
        endpoint = self.open()
        rows = self.read(self.instances)
        mine = {row["id"] for row in rows if item_number(row["id"]) % world_size == rank}
        for part in batched(sorted(mine, key=item_number), self.endpoint.batch):
            for row in self._items(endpoint, part):
                yield to_document(row)

    def _items(self, endpoint: Endpoint, items: Sequence[str]) -> list[Row]:
        positions = self._positions(endpoint, items)
        placed = [item for item in items if positions[item]]
        claims, names = self._claims(endpoint, items), labels(endpoint, placed, self.languages)
        files, articles = self._files(endpoint, items), self._articles(endpoint, placed)
        return [
            {
                "id": item,
                "labels": names.get(item) or dict.fromkeys(self.languages),
                "classes": current_ids(claims[item, INSTANCE_OF]),
                "superclasses": [],
                "countries": claim_rows(claims[item, COUNTRY]),
                "country_code": None,
                "positions": positions[item],
                "images": sorted(files[item]),
                "sitelinks": articles[item],
            }
            for item in items
        ]

    @staticmethod
    def _positions(endpoint: Endpoint, items: Sequence[str]) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for binding in endpoint.select(POSITIONS, items):
            degrees = {name: float(binding[name]) for name in ("latitude", "longitude")}
            found[item_id(binding["item"])].append(degrees | {"globe": item_id(binding["globe"])})
        return found

    @staticmethod
    def _claims(endpoint: Endpoint, items: Sequence[str]) -> dict[tuple[str, str], list[Claim]]:
        """The statements of each item and property; a statement with several qualifiers has several bindings."""
        found: dict[str, tuple[tuple[str, str], Claim]] = {}
        for binding in endpoint.select(CLAIMS, items):
            about = item_id(binding["item"]), binding["main"].rpartition("/")[2]
            claim = Claim(item_id(binding["value"]), "ended" in binding, "disputed" in binding)
            begun = year_of(binding.get("begun", ""))
            earlier = found.get(binding["statement"], (about, claim))[1].begun
            years = [year for year in (begun, earlier) if year is not None]
            found[binding["statement"]] = about, claim._replace(begun=max(years, default=None))
        grouped: dict[tuple[str, str], list[Claim]] = defaultdict(list)
        for about, claim in found.values():
            grouped[about].append(claim)
        return grouped

    def _files(self, endpoint: Endpoint, items: Sequence[str]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        query = FILES.replace("{properties}", " ".join(f"wdt:{name}" for name in self.image_properties))
        for binding in endpoint.select(query, items):
            if _is_file(binding["file"]):
                found[item_id(binding["item"])].add(_commons_name(binding["file"]))
        return found

    def _articles(self, endpoint: Endpoint, items: Sequence[str]) -> dict[str, Row]:
        found: dict[str, Row] = defaultdict(lambda: dict.fromkeys(self.languages))
        sites = {f"https://{domain_of(language)}.wikipedia.org/": language for language in self.languages}
        query = ARTICLES.replace("{sites}", " ".join(f"<{site}>" for site in sites))
        for binding in endpoint.select(query, items):
            found[item_id(binding["item"])][sites[binding["site"]]] = binding["title"]
        return found


class NamesOfEndpoint(SparqlBlock):
    """Looks up labels and codes as `NamesOfDump` does; items without a superclass are no classes and get no label."""

    name = "names"
    queries = {"labels": LABELS, "codes": CODES, "classes": CLASSES}

    def __init__(
        self, endpoint: EndpointSettings, entities: Path, languages: Sequence[str], base_types: Sequence[str] = ()
    ) -> None:
        super().__init__(endpoint)
        self.entities, self.languages, self.base_types = entities, tuple(languages), tuple(base_types)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give a row for each class and country that has a label or a code."""
        endpoint = self.open()
        referred = referred_items(self.read(self.entities, ["classes", "countries"])) | {*self.base_types}
        wanted = sorted(referred, key=item_number)
        codes: dict[str, str] = {}
        for binding in endpoint.select(CODES, wanted):
            item = item_id(binding["item"])
            codes[item] = min(binding["code"], codes.get(item, binding["code"]))
        above = endpoint.select(CLASSES, wanted)
        known = {item_id(one["item"]) for one in above if is_item_id(item_id(one["above"]))} | set(codes)
        named = labels(endpoint, sorted(known, key=item_number), self.languages)
        rows = {item: name_row(item, named[item], codes.get(item), self.languages) for item in known}
        self.ledger.facts[BASE_TYPES] = {base: rows[base]["label"] for base in self.base_types if base in rows}
        for item in sorted(known, key=item_number):
            yield to_document(rows[item])


def labels(endpoint: Endpoint, items: Sequence[str], languages: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """Ask for the labels of items; gives item -> language -> label, see `label_of`."""
    codes = {code for language in languages for code in (*label_codes(language), MULTIPLE)}
    query = LABELS.replace("{languages}", ", ".join(f"'{code}'" for code in sorted(codes)))
    found: dict[str, dict[str, str]] = defaultdict(dict)
    aliases: dict[str, list[str]] = defaultdict(list)
    for binding in endpoint.select(query, items):
        item = item_id(binding["item"])
        if binding["kind"].endswith("altLabel"):
            aliases[item].append(binding["label"])
        else:
            found[item][binding["language"]] = binding["label"]
    return {item: {code: label_of(found[item], aliases[item], code) for code in languages} for item in items}


def _ids(bindings: Iterable[dict[str, str]]) -> list[str]:
    return [item_id(binding["item"]) for binding in bindings]


def _is_file(address: str) -> bool:
    """Tell whether a value is a file: the query service has an address for unknown values, too."""
    return "/Special:FilePath/" in address


def _commons_name(address: str) -> str:
    return file_name(unquote(address.rpartition("/")[2]))
