"""Items of the dump's JSON: ranks, spellings, and what is no item."""

from typing import Any

import pytest

from hf_mlm.construction.mlm.items import best_values, file_name, item_number, parse_item


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
