"""Cells, sample and splits: what is published keeps T_min, quotas and one split an entity."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import s2sphere

from hf_mlm.construction.mlm.edition import Edition


def test_decisions(build_here: Any, wiki: Any, tmp_path: Path) -> None:
    wiki.images = {f"Place {1000 + n}.jpg": b"" for n in range(0, 36, 4)}  # nine places lose their image
    manifest = build_here(until="selection")["selection"]
    rows = {row["id"]: row for row in pq.read_table(tmp_path / "build" / "selection" / "00000.parquet").to_pylist()}
    assert len(rows) == 41 and manifest.noted["entities with image and summary"] == 32
    places = {
        row["id"]: row
        for path in sorted((tmp_path / "build" / "places").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    }
    tokens = json.loads((tmp_path / "build" / "selection" / "irle-cells.json").read_text())["tokens"]
    counts = Counter(row["irle_cell"] for row in rows.values() if row["irle_cell"] is not None)
    assert min(counts.values()) >= 5 and sorted(counts) == list(range(len(tokens)))
    for item, row in rows.items():
        if row["irle_cell"] is not None:
            assert item not in {f"Q{1000 + n}" for n in range(0, 36, 4)}  # no image, no cell
            point = s2sphere.LatLng.from_degrees(places[item]["latitude"], places[item]["longitude"])
            cell = s2sphere.CellId.from_token(tokens[row["irle_cell"]])
            assert cell.contains(s2sphere.CellId.from_lat_lng(point))
    drawn = Counter(row["country"] for row in rows.values() if row["irle_gr_cell"] is not None)
    assert drawn["DE"] <= 20 and drawn["FR"] <= 8 and drawn.total() <= sum(manifest.facts["sample"]["drawn"].values())
    assert {row["split"] for row in rows.values()} <= {"train", "validation", "test"}


def test_too_few_for_cells_is_said(build_here: Any, tmp_path: Path) -> None:
    edition = Edition(max_entities=2000, min_entities=1000, country_shares={})
    manifest = build_here(until="selection", edition=edition)["selection"]
    assert "irle: no cells" in manifest.facts and not (tmp_path / "build" / "selection" / "irle-cells.json").exists()
    (path,) = (tmp_path / "build" / "selection").glob("*.parquet")
    assert set(pq.read_table(path)["irle_cell"].to_pylist()) == {None}
