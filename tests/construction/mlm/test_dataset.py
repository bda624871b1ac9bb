"""The published rows: every entity once, in its split, and whom to credit for its images and summaries."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hf_mlm.construction.mlm.dataset import ARTICLES, LICENCES
from hf_mlm.data.mlm.built_rows import INDEX


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
