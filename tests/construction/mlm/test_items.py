"""Items of Wikidata: truthy statements, entities among them, the class tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import graph
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.mlm.items import (
    EARTH,
    SelectEntities,
    best_values,
    distances,
    file_name,
    item_number,
    name_row,
    parse_item,
    referred_items,
)
from hf_mlm.construction.stage import ReadStage, to_document


def statement(value: Any, rank: str = "normal", kind: str = "value") -> dict[str, Any]:
    return {"rank": rank, "mainsnak": {"snaktype": kind, "datavalue": {"value": value}}}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], []),
        ([statement(1), statement(2)], [1, 2]),
        ([statement(1), statement(2, "preferred"), statement(3, "preferred")], [2, 3]),
        ([statement(1, "deprecated")], []),
        ([statement(1, "deprecated"), statement(2)], [2]),
        ([statement(None, "preferred", "somevalue"), statement(2)], []),  # the best is "unknown"
    ],
)
def test_truthy_statements(statements: list[Any], expected: list[int]) -> None:
    assert list(best_values(statements)) == expected


def test_an_item_with_little() -> None:
    row = parse_item({"id": "Q1", "labels": [], "claims": [], "sitelinks": []}, ["en", "be-tarask"])
    assert row["labels"] == row["sitelinks"] == {"en": None, "be-tarask": None} and row["positions"] == []


def test_names_are_sorted_spelt_alike_and_not_repeated() -> None:
    claims = {
        "P18": [statement("b_c.jpg"), statement(" B  c.jpg"), statement("a.jpg")],
        "P31": [statement({"id": "Q20"}), statement({"id": "Q3"}), statement({"id": "L7"})],
    }
    row = parse_item({"id": "Q1", "claims": claims}, ["en"])
    assert row["images"] == ["A.jpg", "B c.jpg"] and row["classes"] == ["Q3", "Q20"]
    assert file_name("éa.jpg") == "Éa.jpg" and item_number("Q42") == 42


@pytest.mark.parametrize("content", [{}, {"id": "Q1"}, {"id": "Q1", "claims": {"P31": [{"rank": "normal"}]}}])
def test_what_is_no_item(content: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError, ValueError)):
        parse_item(content, ["en"])


def test_what_places_refer_to_has_a_name(build_here: Any, tmp_path: Path) -> None:
    build_here(until="names")
    wanted = referred_items(ReadStage(tmp_path / "build" / "entities", whole=True).rows())
    assert {graph.CITY, graph.TOWN, graph.GERMANY, graph.FRANCE} <= wanted
    rows = pq.read_table(tmp_path / "build" / "names" / "00000.parquet").to_pylist()
    known = wanted - {graph.PARENTLESS, graph.CODELESS}  # what they are below, and the code, are unknown values
    assert len(known) == len(wanted) - 2
    assert [row["id"] for row in rows] == sorted({*known, graph.SETTLEMENT}, key=lambda item: int(item[1:]))
    assert {row["country_code"] for row in rows} == {None, "DE", "FR"}


def test_the_first_language_with_a_label_counts() -> None:
    assert name_row("Q1", {"en": None, "de": "Stadt"}, None, ["en", "de"])["label"] == "Stadt"
    assert name_row("Q1", {"en": "city", "de": "Stadt"}, "DE", ["de", "en"]) == {
        "id": "Q1",
        "label": "Stadt",
        "country_code": "DE",
    }
    assert name_row("Q1", {}, None, ["en"])["label"] is None


EDGES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40)


@given(EDGES, st.sets(st.integers(0, 12), min_size=1, max_size=2), st.integers(0, 5))
def test_distances(edges: list[tuple[int, int]], base: set[int], hops: int) -> None:
    expected = dict.fromkeys(base, 0)
    for _ in range(hops):  # Bellman and Ford
        for child, parent in edges * 2:
            if parent in expected and expected[parent] < hops:
                expected[child] = min(expected.get(child, 99), expected[parent] + 1)
    children, parents = np.array(edges, np.int64).reshape(-1, 2).T
    assert distances(children, parents, np.array(sorted(base)), hops) == expected


MOON = "Q405"


def at(latitude: float, longitude: float, globe: str = EARTH) -> dict[str, Any]:
    return {"latitude": latitude, "longitude": longitude, "globe": globe}


GOOD: dict[str, Any] = {
    "id": "Q64",
    "labels": {"en": "Berlin"},
    "classes": ["Q515"],
    "superclasses": [],
    "countries": ["Q183"],
    "country_code": None,
    "positions": [at(52.5, 13.4)],
    "images": ["Berlin.jpg"],
    "sitelinks": {"en": "Berlin", "de": None},
}


@pytest.fixture
def select(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SelectEntities:
    block = SelectEntities(tmp_path)
    monkeypatch.setattr("hf_mlm.construction.stage.ReadStage.rows", lambda *_: iter([{"id": "Q515"}]))
    return block


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"classes": ["Q5"]}, "no instance of the classes"),
        ({"positions": []}, "no coordinates"),
        ({"positions": [at(1, 1, MOON)]}, "off the earth"),
        ({"positions": [at(91, 0)]}, "off the earth"),
        ({"positions": [at(0, -180.5)]}, "off the earth"),
        ({"positions": [at(float("nan"), 0)]}, "off the earth"),
        ({"images": []}, "no image"),
        ({"sitelinks": {"en": None, "de": None}}, "no article"),
    ],
)
def test_what_goes(select: SelectEntities, change: dict[str, Any], reason: str) -> None:
    documents = [to_document(GOOD | change), to_document(GOOD)]
    assert [document.id for document in select.run(documents)] == ["Q64"] and select.ledger.dropped == {reason: 1}


def test_of_several_coordinates_one_stays(select: SelectEntities) -> None:
    positions = [at(50, 9), at(-3, 2, MOON), at(50, 7), at(51, 0)]
    (place,) = select.run([to_document(GOOD | {"positions": positions})])
    assert (place.metadata["latitude"], place.metadata["longitude"]) == (50, 7) and not select.ledger.dropped
    assert sum(select.ledger.noted.values()) == 1
