"""A dump and an endpoint with the same graph give the same entities."""

from pathlib import Path
from typing import Any

import graph
import pyarrow.parquet as pq
import pytest

from hf_mlm.construction.mlm.sources import DumpSource


def table(folder: Path) -> list[dict[str, Any]]:
    rows = [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return sorted(rows, key=lambda row: int(row["id"][1:]))


def test_both_sources_give_the_same_entities(build_here: Any, endpoint: Any, tmp_path: Path) -> None:
    from_dump, from_endpoint = build_here("dump", until="names"), build_here("endpoint", endpoint, "names")
    for stage in ("classes", "places", "names"):
        assert table(tmp_path / "dump" / stage) == table(tmp_path / "endpoint" / stage), stage
    ids = {row["id"] for row in table(tmp_path / "dump" / "places")}
    unusual = {name for name, item in graph.awkward().items() if item.id in ids}
    assert unusual == {
        "preferred coordinates",
        "several coordinates",
        "a leaf three steps down",
        "underscores and accents",
        "no label",
    }
    assert len(ids) == 36 + len(unusual)
    reasons = {"off the earth": 1, "no article": 1, "no image": 3}
    assert {reason: from_dump["places"].dropped[reason] for reason in reasons} == reasons
    assert from_endpoint["places"].dropped == reasons | {"no coordinates": 1}
    assert "wdt:P279" in from_endpoint["classes"].facts["queries"]["subclasses"]


def test_truth_in_detail(build_here: Any, tmp_path: Path) -> None:
    build_here("dump", until="names")
    places = {row["id"]: row for row in table(tmp_path / "dump" / "places")}
    assert (places["Q905"]["latitude"], places["Q905"]["classes"]) == (50.5, [graph.TOWN])
    assert (places["Q906"]["latitude"], places["Q906"]["longitude"]) == (50.0, 7.0)
    assert places["Q912"]["images"] == ["Été à Köln & Bonn?.jpg"]
    names = {row["id"]: row for row in table(tmp_path / "dump" / "names")}
    assert names[graph.GERMANY] == {"id": graph.GERMANY, "label": "Germany", "country_code": "DE"}
    classes = {row["id"]: row["hops"] for row in table(tmp_path / "dump" / "classes")}
    assert classes == {graph.SETTLEMENT: 0, graph.CITY: 1, graph.TOWN: 1, graph.SPA_TOWN: 2, graph.HOT_SPA: 3}


def test_the_date_is_in_the_name_of_a_dump(dump: Path) -> None:
    assert DumpSource.of([dump]).date == "20260105"
    assert DumpSource.of([dump], "2026-02-02").date == "2026-02-02"
    with pytest.raises(FileNotFoundError, match="there is no dump"):
        DumpSource.of([dump.with_name("other.json")])
