"""A class too large for one query comes in parts, and all of it."""

from pathlib import Path
from typing import Any

import graph
import pytest

from hf_mlm.construction.http import PoliteClient, UnavailableError
from hf_mlm.construction.mlm.sparql import Endpoint
from hf_mlm.construction.mlm.sparql_items import InstancesOfEndpoint


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
    monkeypatch.setattr(PoliteClient, "post", unavailable)
    with pytest.raises(UnavailableError, match="whose ids end with 000, however often it is asked; .* from a dump"):
        ids(instances)
