from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, ConvNextImageProcessorPil

from hf_mlm.data.collators_ner import DataCollatorForMultimodalTokenClassification
from hf_mlm.models.region_processor import RegionProcessor
from hf_mlm.models.umgf import UMGFForTokenClassification
from tests.models.two_mner.tiny import wordpiece
from tests.models.umgf.test_modeling_umgf import config


WORDS = [["paris"], ["the", "river"], ["in", "france"]]


def processor(folder: Path, **settings: Any) -> RegionProcessor:
    images = ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=1.0)
    return RegionProcessor(images, wordpiece(folder), max_length=16, **settings)


def halves() -> Image.Image:
    """Red on the left, blue on the right, twice as wide as high."""
    array = np.zeros((40, 80, 3), np.uint8)
    array[:, :40, 0] = array[:, 40:, 2] = 255
    return Image.fromarray(array)


def boxes(folder: Path) -> Path:
    path = folder / "boxes.jsonl"
    path.write_text(json.dumps({"image_id": "O_1", "boxes": [[40, 0, 80, 40], [0, 0, 8, 40]]}))
    return path


def colours(pixels: torch.Tensor) -> list[str]:
    return ["red" if region[0].mean() > region[2].mean() else "blue" for region in pixels]


def test_a_grid_gives_each_image_its_fields(tmp_path: Path) -> None:
    tiny = processor(tmp_path, regions="1x2")
    batch = tiny(WORDS, images=[halves(), None, Image.new("RGB", (50, 40))])
    assert batch["pixel_values"].shape == (2, 2, 3, 32, 32) and batch["pixel_values"].dtype == torch.float32
    assert batch["region_mask"].tolist() == [[True, True]] * 2 and batch["image_index"].tolist() == [0, -1, 1]
    assert colours(batch["pixel_values"][0]) == ["red", "blue"]
    assert sorted(batch) == sorted(tiny.model_input_names)


def test_a_files_boxes_are_found_by_the_ids_of_a_dataset(tmp_path: Path) -> None:
    collate = DataCollatorForMultimodalTokenClassification(processor(tmp_path, regions=boxes(tmp_path), num_regions=3))
    ids = zip(WORDS, ["O_1", "O_2", "O_1"], strict=True)
    rows = [{"tokens": words, "image": halves(), "image_id": image_id} for words, image_id in ids]
    batch = collate(rows)
    assert batch["image_index"].tolist() == [0, 1, 0]
    assert batch["region_mask"].tolist() == [[True, True, False], [True, False, False]]
    assert colours(batch["pixel_values"][0, :2]) == ["blue", "red"]
    assert (batch["pixel_values"][~batch["region_mask"]] == 0).all()


def test_a_whole_image_is_prepared_as_for_other_models_and_a_narrow_box_is_squeezed(tmp_path: Path) -> None:
    whole = processor(tmp_path).encode_pictures([halves()], ["O_1"])["pixel_values"]
    expected = processor(tmp_path).image_processor([halves()], return_tensors="np")["pixel_values"]
    assert np.array_equal(whole[:, 0], expected)
    array = np.zeros((40, 8, 3), np.uint8)
    array[:4] = 255  # a line at the upper edge, which a crop of the middle would lose
    box = tmp_path / "narrow.jsonl"
    box.write_text(json.dumps({"image_id": 7, "boxes": [[0, 0, 8, 39]]}))
    narrow = processor(tmp_path, regions=box).encode_pictures([Image.fromarray(array)], ["7"])["pixel_values"]
    assert narrow[0, 0, :, 0].mean() > narrow[0, 0, :, 16].mean() + 1


def test_a_box_outside_and_a_missing_file_get_a_sentence(tmp_path: Path) -> None:
    tiny = processor(tmp_path, regions=boxes(tmp_path))
    with pytest.raises(
        ValueError, match="boxes.jsonl:1: the box .* of image 'O_1' is not inside the image, which is 50"
    ):
        tiny.encode_images([Image.new("RGB", (50, 40))], ["O_1"])
    gone = processor(tmp_path, regions="gone.jsonl")
    assert "pixel_values" not in gone(WORDS)
    with pytest.raises(FileNotFoundError, match="regions='gone.jsonl' is not a file of boxes"):
        gone(WORDS, images=[halves(), None, None])
    gone.regions = "whole"
    assert gone(WORDS, images=[halves(), None, None])["pixel_values"].shape == (1, 1, 3, 32, 32)


def test_it_feeds_the_model_and_is_found_again_beside_it(tmp_path: Path) -> None:
    tagger, tiny = UMGFForTokenClassification(config()).eval(), processor(tmp_path, regions="2x2")
    batch = tiny(WORDS, images=[halves(), None, halves()], labels=[[1], [0, 0], [0, 3]])
    assert torch.isfinite(tagger(**batch).loss)
    tagger.save_pretrained(tmp_path / "saved")
    tiny.save_pretrained(tmp_path / "saved")
    loaded = AutoProcessor.from_pretrained(tmp_path / "saved")
    assert type(loaded) is RegionProcessor and (loaded.regions, loaded.num_regions) == ("2x2", 4)
    again = loaded(WORDS, images=[halves(), None, halves()])
    assert all(torch.equal(again[name], batch[name]) for name in again)
