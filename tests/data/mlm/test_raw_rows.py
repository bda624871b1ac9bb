from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset, load_dataset
from PIL import Image

import hf_mlm  # noqa: F401, registers mlm
from hf_mlm.data.mlm.raw_rows import RawRows
from hf_mlm.models.base.images import to_rgb


@pytest.fixture
def raw(raw_folder: Path) -> Dataset:
    return load_dataset("mlm", "irle", data_dir=str(raw_folder), max_entities=30, min_entities=1, split="train")


def test_rows_are_those_of_the_dataset_with_images_as_they_lie_in_the_file(raw: Dataset) -> None:
    chosen = raw.select([5, 2, 9])
    rows = RawRows(chosen)
    assert len(rows) == 3
    for ours, theirs in zip(rows.__getitems__([2, 0]), (chosen[2], chosen[0]), strict=True):
        assert set(ours) == {"entity_id", "images", "summaries", "classes", "geo_cell"}
        assert all(ours[name] == theirs[name] for name in ours if name != "images")
        pictures = [to_rgb(image) for image in ours["images"]]
        assert pictures == [picture.convert("RGB") for picture in theirs["images"]]
    assert rows[1] == rows.__getitems__([1])[0]


def test_broken_images_are_not_read_before_they_are_shown(tmp_path: Path, raw: Dataset) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    paths = [str(tmp_path / name) for name in ("good.png", "bad.png")]
    row = {**raw[0], "images": paths}
    rows = RawRows(Dataset.from_list([row], raw.features))
    assert to_rgb(rows[0]["images"][0]).size == (4, 4)
    with pytest.raises(ValueError, match=r"bad.png cannot be read as an image"):
        to_rgb(rows[0]["images"][1])
