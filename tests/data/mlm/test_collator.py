from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo, RandomCrops, random_windows


LANGUAGES = ("en", "de", "fr")


class Recorder:
    """Stands in for the processor: keeps what it is given."""

    def __call__(self, **inputs: Any) -> dict[str, torch.Tensor]:
        self.inputs = inputs
        return {"pixel_values": torch.zeros(len(inputs["images"]), 3, 2, 2)}


def raw_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "entity_id": f"Q{number}",
        "summaries": {name: f"{name} {number}" for name in LANGUAGES},
        "images": [f"image {number}.0", f"image {number}.1"],
        "classes": ["town", "port"],
        "geo_cell": number,
    }
    return {**row, **changes}


def collate(rows: list[dict[str, Any]], **settings: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    recorder = Recorder()
    batch = DataCollatorForRetrievalAndGeo(recorder, **settings)(rows)
    return recorder.inputs, batch


def test_raw_rows_show_the_first_image_one_summary_and_all_classes() -> None:
    inputs, batch = collate([raw_row(number) for number in range(4)])
    assert inputs["images"] == [f"image {number}.0" for number in range(4)]
    languages = [LANGUAGES[zlib.crc32(f"Q{number}".encode()) % 3] for number in range(4)]
    assert inputs["text"] == [f"{name} {number}" for number, name in enumerate(languages)]
    assert inputs["classes"] == [["town", "port"]] * 4
    assert batch["image_cells"].tolist() == batch["text_cells"].tolist() == [0, 1, 2, 3]
    assert set(batch) == {"pixel_values", "image_cells", "text_cells"}


def test_evaluation_shows_the_same_whatever_the_batch() -> None:
    collator = DataCollatorForRetrievalAndGeo(Recorder(), views="random", seed=3).evaluation()
    assert (collator.views, collator.seed) == ("first", 3)
    collator([raw_row(2), raw_row(7)])
    together = dict(zip((2, 7), collator.processor.inputs["text"], strict=True))
    for number, text in together.items():
        collator([raw_row(number)])
        assert collator.processor.inputs["text"] == [text]


def test_languages_are_those_asked_for_and_there() -> None:
    absent = raw_row(1, summaries={"en": "english", "de": None, "fr": ""})
    inputs, _ = collate([absent, raw_row(2)], languages=("de", "en"))
    assert inputs["text"][0] == "english"
    assert inputs["text"][1] in ("de 2", "en 2")
    inputs, batch = collate([absent, raw_row(2)], languages=("de", "fr"))
    assert inputs["text"][0] == ""
    assert (batch["text_cells"].tolist(), batch["pair_targets"].tolist()) == ([-100, 2], [0, 1])


@pytest.mark.parametrize("summaries", [None, [], {}, [{"language": "gsw", "text": ""}]])
def test_a_row_without_a_text_is_masked(summaries: Any) -> None:
    _, batch = collate([raw_row(1, summaries=summaries), raw_row(2)])
    assert batch["text_cells"].tolist() == [-100, 2]
    assert batch["image_cells"].tolist() == [1, 2]
    assert batch["pair_targets"].tolist() == [0, 1]


def test_texts_of_archives_have_any_language() -> None:
    texts = [{"language": "pt-BR", "text": "vila"}, {"language": "gsw", "text": "Dorf"}]
    assert collate([raw_row(1, summaries=texts)])[0]["text"][0] in ("vila", "Dorf")
    assert collate([raw_row(1, summaries=texts)], languages=("gsw",))[0]["text"] == ["Dorf"]


def test_feature_rows_of_other_languages_are_passed_over(feature_rows: Callable[..., Dataset]) -> None:
    rows = [row for row in feature_rows(12) if len(row["summary_features"]) == 3]
    batch = DataCollatorForRetrievalAndGeo(languages=("fr",))(rows)
    assert torch.equal(batch["summary_features"], torch.tensor([row["summary_features"][2] for row in rows]))
    lost = [{**row, "summary_languages": None} for row in rows]
    assert DataCollatorForRetrievalAndGeo(languages=("fr",))(lost)["summary_features"].shape == (len(rows), 3)


def test_rows_without_cell_are_unknown_and_without_class_are_zero(feature_rows: Callable[..., Dataset]) -> None:
    rows = [{**row, "class_features": []} if place else row for place, row in enumerate(feature_rows(5))]
    rows[0]["class_features"] = [[1.0, 2.0]]
    batch = DataCollatorForRetrievalAndGeo()(rows)
    assert batch["image_cells"][4] == -1
    assert batch["class_features"].tolist() == [[1.0, 2.0]] + [[0.0, 0.0]] * 4
    for row in rows:
        del row["class_features"], row["geo_cell"]
    bare = DataCollatorForRetrievalAndGeo()(rows)
    assert "class_features" not in bare
    assert bare["text_cells"].tolist() == [-1] * 5


def test_ready_batch_passes_through() -> None:
    batch = {"image_features": torch.zeros(2, 3)}
    assert DataCollatorForRetrievalAndGeo()(batch) is batch


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"image_features": [[1.0]]}], "got image_features: set remove_unused_columns=False"),
        (["image_features"], "got str: set remove_unused_columns=False"),
        ([raw_row(1)], "got raw rows and has no processor"),
    ],
)
def test_rows_that_cannot_be_read_are_named(rows: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataCollatorForRetrievalAndGeo()(rows)


def test_a_row_without_an_image_is_masked() -> None:
    inputs, batch = collate([raw_row(2), raw_row(3, images=[]), raw_row(4, geo_cell=None)])
    assert inputs["images"] == ["image 2.0", "image 4.0"]
    assert batch["image_cells"].tolist() == [2, -100, -1]
    assert batch["text_cells"].tolist() == [2, 3, -1]
    assert batch["pair_targets"].tolist() == [1, 0, 1]


def test_feature_rows_without_a_side_have_zeros(feature_rows: Callable[..., Dataset]) -> None:
    rows = [dict(row) for row in feature_rows(3)]
    rows[1]["image_features"] = []
    batch = DataCollatorForRetrievalAndGeo()(rows)
    assert not batch["image_features"][1].any() and batch["image_features"][0].any()
    assert (batch["image_cells"] == -100).tolist() == [False, True, False]


BAD_FEATURES = {
    "a single vector": ({"image_features": [0.1] * 12}, "image_features .*list of float in Q1"),
    "a token": ({"geo_cell": "479"}, "geo_cell .*'479' in Q1"),
    "a fraction": ({"geo_cell": 0.0}, "geo_cell .*0.0 in Q1"),
    "a truth value": ({"geo_cell": True}, "geo_cell .*True in Q1"),
}


@pytest.mark.parametrize("case", BAD_FEATURES)
def test_features_of_ones_own_are_told_what_is_wrong(case: str) -> None:
    changes, message = BAD_FEATURES[case]
    row = {"entity_id": "Q1", "image_features": [[0.1] * 12], "summary_features": [[0.1] * 6], "geo_cell": 0}
    with pytest.raises(ValueError, match=message):
        DataCollatorForRetrievalAndGeo()([{**row, **changes}] * 2)


class Ramps:
    """A collator of images whose every pixel tells its row, its height and its place."""

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        heights, places = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
        images = torch.stack(
            [torch.stack([torch.full((6, 8), float(row)), heights, places]) for row in range(len(rows))]
        )
        return {"pixel_values": images, "image_cells": torch.arange(len(rows))}

    def evaluation(self) -> str:
        return "whole images"


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"entity_id": f"Q{start + number}"} for number in range(count)]


def test_a_window_is_a_part_of_its_own_image() -> None:
    batch = RandomCrops(Ramps(), size=4)(rows(50))
    windows = batch["pixel_values"]
    assert windows.shape == (50, 3, 4, 4)
    for number, (row, heights, places) in enumerate(windows):
        assert (row == number).all()
        assert (heights.diff(dim=0) == 1).all() and (places.diff(dim=1) == 1).all()
    assert batch["image_cells"].tolist() == list(range(50))


def test_every_position_comes_up() -> None:
    images = Ramps()(rows(600))["pixel_values"]
    windows = random_windows(images, 4, np.random.default_rng(0))
    corners = {(int(window[1, 0, 0]), int(window[2, 0, 0])) for window in windows}
    assert corners == {(top, left) for top in range(3) for left in range(5)}


def test_windows_follow_from_batch_and_seed() -> None:
    crops = RandomCrops(Ramps(), size=3)
    first, again, other = crops(rows(20)), crops(rows(20)), crops(rows(20, start=5))
    reseeded = RandomCrops(Ramps(), size=3, seed=1)(rows(20))
    assert torch.equal(first["pixel_values"], again["pixel_values"])
    assert not torch.equal(first["pixel_values"], other["pixel_values"])
    assert not torch.equal(first["pixel_values"], reseeded["pixel_values"])


def test_evaluation_sees_whole_images() -> None:
    assert RandomCrops(Ramps(), size=3).evaluation() == "whole images"


def test_a_window_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="a window of 7 pixels does not fit into images of 6 × 8"):
        RandomCrops(Ramps(), size=7)(rows(2))


def test_features_are_refused() -> None:
    with pytest.raises(ValueError, match="no image to crop to 4 pixels"):
        RandomCrops(lambda rows: {"image_features": torch.zeros(len(rows), 5)}, size=4)(rows(2))
