"""Items of the dump's JSON: ranks, spellings, and what is no item."""

from pathlib import Path
from typing import Any

import graph
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.manifest import Ledger
from hf_mlm.construction.mlm.items import (
    best_values,
    distances,
    file_name,
    item_number,
    name_row,
    parse_item,
    referred,
)


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
    ledger = Ledger()
    wanted = referred(tmp_path / "build" / "places", ledger)
    assert {graph.CITY, graph.TOWN, graph.GERMANY, graph.FRANCE} <= wanted and len(ledger.inputs) == 2
    rows = pq.read_table(tmp_path / "build" / "names" / "00000.parquet").to_pylist()
    known = wanted - {graph.PARENTLESS, graph.CODELESS}  # what they are below, and the code, are unknown values
    assert len(known) == len(wanted) - 2
    assert [row["id"] for row in rows] == sorted(known, key=lambda item: int(item[1:]))
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
