"""Splits, cells and sample, and the rows that load_dataset gives."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import s2sphere
from datasets import load_dataset

from hf_mlm.construction.mlm.build import BuildConfig
from hf_mlm.construction.mlm.dataset import ARTICLES, LICENCES
from hf_mlm.construction.report import find_in_build, render_build
from hf_mlm.data.mlm.parquet import INDEX


def test_decisions(build_here: Any, wiki: Any, tmp_path: Path) -> None:
    wiki.images = {f"Place {1000 + n}.jpg": b"" for n in range(0, 36, 4)}  # nine places lose their image
    manifest = build_here(until="selection")["selection"]
    rows = {row["id"]: row for row in pq.read_table(tmp_path / "build" / "selection" / "00000.parquet").to_pylist()}
    assert len(rows) == 41 and manifest.noted["entities with image and summary"] == 32
    places = {
        row["id"]: row
        for path in sorted((tmp_path / "build" / "entities").glob("*.parquet"))
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
    config = BuildConfig(max_entities=2000, min_entities=1000, country_shares={})
    manifest = build_here(until="selection", config=config)["selection"]
    assert "irle: no cells" in manifest.facts and not (tmp_path / "build" / "selection" / "irle-cells.json").exists()
    (path,) = (tmp_path / "build" / "selection").glob("*.parquet")
    assert set(pq.read_table(path)["irle_cell"].to_pylist()) == {None}


@pytest.fixture
def dataset(build_here: Any, tmp_path: Path) -> Path:
    build_here()
    return tmp_path / "build" / "dataset"


def rows(folder: Path, config: str) -> list[dict[str, Any]]:
    paths = sorted((folder / config).glob("*.parquet"))
    return [row | {"file": path.name} for path in paths for row in pq.read_table(path).to_pylist()]


def _decisions(folder: Path) -> list[dict[str, Any]]:
    return pq.read_table(folder / "build" / "selection" / "00000.parquet").to_pylist()


def test_rows(dataset: Path, tmp_path: Path) -> None:
    decided = {row["id"]: row for row in _decisions(tmp_path)}
    published = rows(dataset, "mlm")
    assert Counter(row["entity_id"] for row in published) == Counter(list(decided))
    for row in published:
        assert row["file"].startswith(decided[row["entity_id"]]["split"] + "-") and None not in row["classes"]
    for config, column in (("irle", "irle_cell"), ("irle-gr", "irle_gr_cell")):
        cells = {row["entity_id"]: row["geo_cell"] for row in rows(dataset, config)}
        assert cells == {item: row[column] for item, row in decided.items() if row[column] is not None}
    images = [image["path"] for row in published for image in row["images"]]
    assert sorted(row["image"] for row in rows(dataset, LICENCES)) == sorted(images) and len(set(images)) == 41
    texts = sum(text is not None for row in published for text in row["summaries"].values())
    assert len(rows(dataset, ARTICLES)) == texts
    assert (dataset / INDEX).is_file() and not list(dataset.rglob("*.part"))


def test_a_build_of_the_first_version_opens(tmp_path: Path) -> None:
    saved = Path(__file__).parents[1] / "saved" / "mlm_72c1906"
    rows = load_dataset("mlm", "irle", data_dir=str(saved), cache_dir=str(tmp_path / "cache"))
    assert sum(map(len, rows.values())) == 17 and rows["train"][0]["entity_id"].startswith("Q")
    found = find_in_build(saved)
    assert found.sizes == {"mlm": 17, "irle": 17, "irle-gr": 17} and found.record["edition"]["hops"] == 3
    assert "A new MLM" in render_build(found, ["command"])
