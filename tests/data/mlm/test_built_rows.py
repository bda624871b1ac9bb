"""Rows that `hf-mlm build mlm` has written, and folders that hold only a part of them."""

import json
from pathlib import Path

import pytest
from datasets import Dataset, load_dataset

from hf_mlm.data.mlm.builder import raw_features
from hf_mlm.data.mlm.built_rows import INDEX, BuiltRows, open_built


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Two train files and a test file of the config mlm, with Spanish summaries."""
    names = {"train": ["mlm/train-0.parquet", "mlm/train-1.parquet"], "test": ["mlm/test-0.parquet"]}
    (tmp_path / "mlm").mkdir()
    for number, name in enumerate(name for listed in names.values() for name in listed):
        row = {"entity_id": f"Q{number}", "label": "x", "summaries": {"es": "hola"}, "images": [], "classes": ["city"]}
        row |= {"latitude": 1.0, "longitude": 2.0, "country": None}
        Dataset.from_list([row], features=raw_features(None, ["es"])).to_parquet(tmp_path / name)
    sizes = {name: (tmp_path / name).stat().st_size for listed in names.values() for name in listed}
    BuiltRows({"mlm": names}, sizes).save(tmp_path / INDEX)
    return tmp_path / INDEX


def test_load_dataset_reads_them_in_order(index: Path) -> None:
    splits = load_dataset("mlm", "mlm", data_dir=str(index.parent))
    assert {name: split["entity_id"][:] for name, split in splits.items()} == {"train": ["Q0", "Q1"], "test": ["Q2"]}
    assert splits["test"][0]["summaries"] == {"es": "hola"}
    streamed = load_dataset("mlm", "mlm", data_dir=str(index.parent), streaming=True, split="train")
    assert [row["entity_id"] for row in streamed] == ["Q0", "Q1"]


def test_what_is_not_there_is_said(index: Path) -> None:
    with pytest.raises(ValueError, match="holds mlm but no 'irle'"):
        open_built(index, "irle")
    path = index.parent / "mlm" / "train-1.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="train-1.parquet is missing or incomplete"):
        open_built(index, "mlm")


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"format": "other"})])
def test_other_files_are_refused(text: str, index: Path) -> None:
    index.write_text(text)
    with pytest.raises(ValueError, match="is no index"):
        open_built(index, "mlm")
