"""Introductions from a Wikipedia that continues, throttles, redirects and has gaps."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest


def summaries(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()}


def test_gaps_are_counted_and_redirects_followed(build_here: Any, wiki: Any, tmp_path: Path) -> None:
    wiki.redirects = {"Place 1003": "Place of Fame", "Place 1005": "District#Place 1005"}
    wiki.missing = {"Ort 1003", "Ort 1004", "Place 1004"}  # Q1004 has no French article
    wiki.texts = {"Lieu 1003": "  ", "Place of Fame": "Famous."}
    manifest = build_here(until="summaries")["summaries"]
    rows = summaries(tmp_path / "build" / "summaries")
    assert rows["Q1003"]["summaries"] == {"en": "Famous.", "de": None, "fr": None}
    assert rows["Q1005"]["summaries"]["en"] is None and rows["Q1005"]["summaries"]["de"] is not None
    assert rows["Q1003"]["revisions"]["en"] > 0 and rows["Q1003"]["revisions"]["de"] is None
    assert manifest.dropped == {"no summary": 1} and "Q1004" not in rows
    assert manifest.noted == {
        "article is a section of another (en)": 1,
        "empty summary (fr)": 1,
        "missing article (de)": 2,
        "missing article (en)": 1,
    }


def test_troubles_change_nothing(build_here: Any, wiki: Any, tmp_path: Path) -> None:
    build_here("calm", until="summaries")
    expected = summaries(tmp_path / "calm" / "summaries")
    for path in (tmp_path / "traffic").rglob("*.gz"):
        path.unlink()
    wiki.extracts_at_once = 3
    wiki.faults = ["429", "", "maxlag", "503", "", "half", "cut", "", "slow", "429", "maxlag", ""] * 2
    build_here("troubled", until="summaries")
    assert wiki.faults == [] and summaries(tmp_path / "troubled" / "summaries") == expected


@pytest.mark.parametrize("language", ["xx"])
def test_other_languages_are_a_parameter(language: str, build_here: Any, tmp_path: Path) -> None:
    from hf_mlm.construction.mlm.edition import Edition

    edition = Edition(languages=("de", language))
    build_here("other", until="summaries", edition=edition)
    rows = summaries(tmp_path / "other" / "summaries")
    assert rows["Q913"]["summaries"] == {"de": "Ohne Namen is a settlement.", language: None}
