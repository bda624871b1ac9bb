"""Names of classes and countries, and of nothing else."""

from pathlib import Path
from typing import Any

import graph
import pyarrow.parquet as pq

from hf_mlm.construction.manifest import Ledger
from hf_mlm.construction.mlm.names import name_row, referred


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
