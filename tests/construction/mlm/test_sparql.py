"""Time-outs of an endpoint split the question, and nothing is left out."""

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import graph
import pytest
import wikimedia

from hf_mlm.construction.http import HttpSettings, PoliteClient, UnavailableError
from hf_mlm.construction.mlm.sparql import Endpoint, InstancesOfEndpoint


QUERY = "SELECT ?item WHERE {{ VALUES ?item {{ {values} }} }}"


class Slow(BaseHTTPRequestHandler):
    """Answers about at most ``most`` items; says that it is too much in a way of its own."""

    most, way = 3, "500"

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_POST(self) -> None:
        query = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["query"][0]
        items = [word.removeprefix("wd:") for word in query.split() if word.startswith("wd:Q")]
        bindings = [{"item": {"value": f"http://www.wikidata.org/entity/{item}"}} for item in items]
        body, status = json.dumps({"results": {"bindings": bindings}}).encode(), 200
        if len(items) > self.most:
            body = body[:-20] + b"java.util.concurrent.TimeoutException"
            status = 200 if self.way == "half" else int(self.way)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize("way", ["500", "504", "half"])
def test_too_much_is_halved(way: str, http: HttpSettings) -> None:
    items = [f"Q{number}" for number in range(1, 24)]
    with wikimedia.served(type("Handler", (Slow,), {"way": way})) as url:
        found = [row["item"].rpartition("/")[2] for row in Endpoint(PoliteClient(http), url, 10).select(QUERY, items)]
    assert found == items


@pytest.mark.parametrize("way", ["500", "502", "half"])
def test_what_cannot_be_halved_stops_the_build_until_it_is_answered(way: str, http: HttpSettings) -> None:
    handler: Any = type("Handler", (Slow,), {"most": 0, "way": way})
    with wikimedia.served(handler) as url:
        ask = lambda: list(Endpoint(PoliteClient(http), url).select(QUERY, ["Q1", "Q2"]))  # noqa: E731
        with pytest.raises(UnavailableError, match="about Q1 alone, found none .*; run the same command"):
            ask()
        handler.most = 1
        assert len(ask()) == 2


@pytest.mark.parametrize("items", [["Q1"], ["Q1", "Q2"]])
def test_a_query_that_is_refused_is_an_error_and_not_remembered(items: list[str], http: HttpSettings) -> None:
    handler: Any = type("Handler", (Slow,), {"most": 0, "way": "403"})
    with wikimedia.served(handler) as url:
        ask = lambda: list(Endpoint(PoliteClient(http), url).select(QUERY, items))  # noqa: E731
        with pytest.raises(ValueError, match="found status 403"):
            ask()
        handler.most = 2
        assert len(ask()) == len(items)


def ids(block: InstancesOfEndpoint) -> list[str]:
    return [document.id for document in block.run(None)]


@pytest.fixture
def instances(build_here: Any, endpoint: Any, tmp_path: Path) -> InstancesOfEndpoint:
    build_here(source=endpoint, until="classes")
    return InstancesOfEndpoint(endpoint.endpoint, tmp_path / "build" / "classes")


def test_a_large_class_is_asked_in_parts(instances: InstancesOfEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ids(instances)
    ask = Endpoint.ask

    def overwhelmed(endpoint: Endpoint, query: str) -> Any:
        too_much = f"wd:{graph.CITY} }}" in query or "STRENDS(STR(?item), '1')" in query
        return None if too_much else ask(endpoint, query)

    monkeypatch.setattr(Endpoint, "ask", overwhelmed)
    assert ids(instances) == whole and len(whole) > 40
    assert instances.ledger.noted == {f"instances of {graph.CITY} asked in parts": 2}


def test_what_no_part_is_small_enough_for_stops_the_build(
    instances: InstancesOfEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: Any) -> Any:
        raise UnavailableError("status 500")

    monkeypatch.setattr(Endpoint, "ask", lambda *_: None)
    monkeypatch.setattr(PoliteClient, "ask", unavailable)
    with pytest.raises(UnavailableError, match="whose ids end with 000, found none .* from a dump"):
        ids(instances)
