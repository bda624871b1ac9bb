"""Queries to a SPARQL endpoint about many items at once; what is too much for it is asked in halves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hf_mlm.construction.http import RETRIED, PoliteClient, UnavailableError


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
        bindings = self.ask(query.format(values=" ".join(f"wd:{item}" for item in items)))
        if bindings is not None:
            yield from bindings
        elif len(items) == 1:
            raise UnavailableError(
                f"{self.url} cannot answer a query about {items[0]} alone in its time; build from a dump instead."
            )
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
        answer = self.client.post(self.url, {"query": PREFIXES + query, "format": "json"}, retried=RETRIED - _TOO_MUCH)
        if answer.status in _TOO_MUCH:
            return None
        if answer.status != 200:
            raise ValueError(f"{self.url} refuses a query (status {answer.status}): {answer.content[:200]!r}")
        try:
            bindings = json.loads(answer.content)["results"]["bindings"]
        except ValueError:  # the query service reports a time-out behind the bindings that it has sent already
            return None
        return [{name: value["value"] for name, value in binding.items()} for binding in bindings]
