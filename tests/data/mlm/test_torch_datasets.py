from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, List, Value, concatenate_datasets, load_dataset
from PIL import Image
from torch.utils.data import DataLoader

import hf_mlm  # noqa: F401, registers mlm
from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo
from hf_mlm.data.mlm.torch_datasets import FeatureTable, RawRows
from hf_mlm.models.base.images import to_rgb


Rows = Callable[..., Dataset]


def first_views(rows: Dataset, indices: list[int]) -> dict[str, torch.Tensor]:
    """The batch spelled out, a row at a time."""
    chosen = [rows[index] for index in indices]
    summaries = [zlib.crc32(row["entity_id"].encode()) % len(row["summary_features"]) for row in chosen]
    cells = torch.tensor([-1 if row["geo_cell"] is None else row["geo_cell"] for row in chosen])
    return {
        "image_features": torch.tensor([row["image_features"][0] for row in chosen]),
        "summary_features": torch.tensor(
            [row["summary_features"][place] for row, place in zip(chosen, summaries, strict=True)]
        ),
        "class_features": torch.tensor([(row["class_features"] or [[0.0, 0.0]])[0] for row in chosen]),
        "image_cells": cells,
        "text_cells": cells,
    }


def assert_same(batch: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert batch.keys() == expected.keys()
    for name, values in expected.items():
        assert batch[name].dtype == values.dtype
        torch.testing.assert_close(batch[name], values, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("device", [None, "cpu"])
def test_batch_equals_its_rows_spelled_out(feature_rows: Rows, device: str | None) -> None:
    rows = feature_rows(12)
    assert_same(FeatureTable(rows, device=device).__getitems__([7, 0, 11, 4]), first_views(rows, [7, 0, 11, 4]))


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize(
    "select",
    [
        lambda rows: rows.select([9, 2, 5, 1]),
        lambda rows: rows.select(range(4, 9)),
        lambda rows: rows.shuffle(seed=3),
        lambda rows: concatenate_datasets([rows.select(range(5)), rows.select(range(3, 12))]),
        lambda rows: rows.with_format("numpy"),
    ],
    ids=["select", "slice", "shuffle", "chunks", "formatted"],
)
def test_selections_and_chunks_are_followed(feature_rows: Rows, select: Any, device: str | None) -> None:
    rows = select(feature_rows(12))
    order = list(range(len(rows)))[::-1]
    plain = rows.with_format(None)
    assert_same(FeatureTable(rows, device=device).__getitems__(order), first_views(plain, order))


@pytest.mark.parametrize("views", ["first", "random"])
@pytest.mark.parametrize("device", [None, "cpu"])
def test_table_and_collator_make_the_same_batch(feature_rows: Rows, views: Any, device: str | None) -> None:
    rows = feature_rows(12)
    table = FeatureTable(rows, views, device, seed=5)
    collator = DataCollatorForRetrievalAndGeo(views=views, seed=5)
    assert_same(table.__getitems__([3, 8, 1]), collator([rows[3], rows[8], rows[1]]))


def test_random_views_reach_every_vector(feature_rows: Rows) -> None:
    rows = feature_rows(6)
    table = FeatureTable(rows, "random")
    seen = {tuple(table.__getitems__([1, other])["image_features"][0].tolist()) for other in [0, 2, 3, 4, 5] * 2}
    order = np.random.default_rng(0)
    for _ in range(30):
        batch = order.permutation(6).tolist()
        seen.add(tuple(table.__getitems__(batch)["image_features"][batch.index(1)].tolist()))
    assert seen == {tuple(np.float32(vector).tolist()) for vector in rows[1]["image_features"]}


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_hands_ready_batches_through_the_collator(feature_rows: Rows, workers: int) -> None:
    rows = feature_rows(10)
    loader = DataLoader(
        FeatureTable(rows), batch_size=4, collate_fn=DataCollatorForRetrievalAndGeo(), num_workers=workers
    )
    batches = list(loader)
    assert [len(batch["image_cells"]) for batch in batches] == [4, 4, 2]
    assert_same(batches[1], first_views(rows, [4, 5, 6, 7]))


def test_half_precision_is_widened_in_the_batch_alone(feature_rows: Rows) -> None:
    rows = feature_rows(6, dtype="float16")
    for device in (None, "cpu"):
        table = FeatureTable(rows, device=device)
        assert table.__getitems__([2])["image_features"].dtype == torch.float32
        assert_same(table.__getitems__([2, 0]), first_views(rows, [2, 0]))
    assert table.columns["image_features"].values.dtype == torch.float16


def test_vectors_stay_in_the_arrow_buffer(feature_rows: Rows) -> None:
    rows = feature_rows(6)
    values = rows.data.column("image_features").chunk(0).flatten().flatten()
    matrix = FeatureTable(rows).columns["image_features"].chunks[0]
    assert matrix.__array_interface__["data"][0] == values.buffers()[1].address


def test_file_without_classes_or_cells(feature_rows: Rows) -> None:
    rows = feature_rows(5, classes=False).remove_columns("geo_cell")
    batch = FeatureTable(rows).__getitems__([0, 1])
    assert "class_features" not in batch
    assert batch["image_cells"].tolist() == [-1, -1]


def test_one_row_is_a_batch_without_its_first_axis(feature_rows: Rows) -> None:
    table = FeatureTable(feature_rows(3))
    assert len(table) == 3
    assert torch.equal(table[2]["summary_features"], table.__getitems__([2])["summary_features"][0])


def test_what_cannot_be_gathered_is_named(feature_rows: Rows) -> None:
    rows = feature_rows(3)
    with pytest.raises(ValueError, match="no column 'image_features', only .*raw rows go to the Trainer as they are"):
        FeatureTable(rows.remove_columns("image_features"))
    ragged = rows.cast_column("image_features", List(List(Value("float32"))))
    with pytest.raises(ValueError, match="column 'image_features' holds .*cast it to List"):
        FeatureTable(ragged)
    features = Features({**rows.features})
    empty = Dataset.from_list([*rows, {**rows[0], "entity_id": "Q99", "image_features": []}], features=features)
    batch = FeatureTable(empty).__getitems__([0, 3])
    assert not batch["image_features"][1].any()
    assert (batch["image_cells"] == -100).tolist() == [False, True]
    assert batch["pair_targets"].tolist() == [1, 0]


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
