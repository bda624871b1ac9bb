"""Queries to a SPARQL endpoint about many items at once; what is too much for it is asked in halves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hf_mlm.construction.http import RETRIED, PoliteClient, UnavailableError
from hf_mlm.construction.traffic import Answer


WIKIDATA = "https://query.wikidata.org/sparql"
BATCH = 200  # items in a query
# Too much for the server: its own limit (500), a gateway's (502, 504), a body that ends in the middle.
_TOO_MUCH = frozenset({500, 502, 504})
PREFIXES = """\
PREFIX wd: <http://www.wikidata.org/entity/>
PREFIX wdt: <http://www.wikidata.org/prop/direct/>
PREFIX p: <http://www.wikidata.org/prop/>
PREFIX psv: <http://www.wikidata.org/prop/statement/value/>
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
        """Ask the same about many items.

        Args:
            query: with ``{values}`` where the items go, as in ``VALUES ?item {{ {values} }}``.
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
        answer = self._post(query, self._is_understood, RETRIED - _TOO_MUCH)
        return None if answer.status in _TOO_MUCH else _bindings(answer)

    def insist(self, query: str, about: str) -> list[dict[str, str]]:
        """Ask what cannot be made any smaller until there is an answer; that there was none is not recorded.

        Args:
            query: SPARQL.
            about: what it is about, for the sentence.

        Raises:
            UnavailableError: if the endpoint does not answer, or it is too much for it every time.
            ValueError: if it does not understand the query.
        """
        try:
            answer = self._post(query, lambda one: self._is_understood(one) and _bindings(one) is not None, RETRIED)
        except UnavailableError as error:
            if self.client.settings.offline:
                raise
            raise UnavailableError(
                f"{self.url} does not answer a query about {about}, however often it is asked; run the same command "
                "again later, it goes on where it stopped, or build from a dump instead."
            ) from error
        return _bindings(answer) or []

    def _post(self, query: str, is_final: Callable[[Answer], bool], retried: frozenset[int]) -> Answer:
        return self.client.post(self.url, {"query": PREFIXES + query, "format": "json"}, is_final, retried)

    def _is_understood(self, answer: Answer) -> bool:
        if answer.status != 200 and answer.status not in _TOO_MUCH:
            raise ValueError(f"{self.url} refuses a query (status {answer.status}): {answer.content[:200]!r}")
        return True


def _bindings(answer: Answer) -> list[dict[str, str]] | None:
    """The bindings of an answer; None of one that breaks off."""
    try:
        bindings = json.loads(answer.content)["results"]["bindings"]
    except ValueError:  # the query service reports a time-out behind the bindings that it has sent already
        return None
    return [{name: value["value"] for name, value in binding.items()} for binding in bindings]
