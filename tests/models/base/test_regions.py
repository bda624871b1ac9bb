from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoProcessor, ConvNextImageProcessorPil

from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.models.base.regions import BoxFile, GridCrops, RegionProcessor, WholeImage, region_provider
from hf_mlm.models.umgf.modeling_umgf import UMGFForTokenClassification
from tests.models.two_mner.tiny import wordpiece
from tests.models.umgf.test_modeling_umgf import config


def box_file(folder: Path, *lines: Any, **settings: Any) -> BoxFile:
    path = folder / "boxes.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return BoxFile(path, **settings)


def entry(*boxes: list[float], image_id: str = "O_1", **further: Any) -> dict[str, Any]:
    return {"image_id": image_id, "boxes": list(boxes), **further}


A, B, C = [0, 0, 5, 5], [1, 2, 9.5, 10], [0, 0, 10, 20]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 999), st.integers(1, 999))
def test_the_fields_of_a_grid_cover_the_image_once(rows: int, columns: int, width: int, height: int) -> None:
    grid = GridCrops(rows, columns)
    boxes = grid.boxes("any", width, height)
    assert len(boxes) == len(set(boxes)) == grid.num_regions == rows * columns
    assert sum((right - left) * (bottom - top) for left, top, right, bottom in boxes) == pytest.approx(width * height)
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width * (1 + 1e-9) and 0 <= top < bottom <= height * (1 + 1e-9)


def test_a_setting_names_its_provider(tmp_path: Path) -> None:
    assert region_provider("whole") == WholeImage() and WholeImage().boxes(1, 7, 8) == [(0, 0, 7, 8)]
    assert region_provider("2x3", num_regions=1) == GridCrops(2, 3)
    assert region_provider(Path(box_file(tmp_path, entry(A)).path), 3).num_regions == 3
    for unknown in ("grid", "0x2", str(tmp_path / "missing.jsonl")):
        with pytest.raises(FileNotFoundError, match="is not a file of boxes: pass the path of one, 'whole'"):
            region_provider(unknown)
    with pytest.raises(ValueError, match="num_regions=0 must be at least 1"):
        region_provider("whole", 0)


def test_boxes_are_found_by_the_images_id_and_other_images_are_whole(tmp_path: Path) -> None:
    boxes = box_file(tmp_path, entry(A, B), "", entry(image_id="empty"), num_regions=2)
    assert boxes.boxes("O_1", 10, 10) == [tuple(A), tuple(B)]
    assert boxes.boxes("empty", 10, 12) == boxes.boxes("other", 10, 12) == boxes.boxes(17, 10, 12) == [(0, 0, 10, 12)]


def test_the_best_scores_win_and_without_scores_the_first(tmp_path: Path) -> None:
    lines = entry(A, B, C, scores=[0.2, 0.9, 0.5]), entry(A, B, C, image_id="O_2")
    boxes = box_file(tmp_path, *lines, num_regions=2)
    assert boxes.boxes("O_1", 20, 20) == [tuple(B), tuple(C)]
    assert boxes.boxes("O_2", 20, 20) == [tuple(A), tuple(B)]


def test_a_gzipped_file_serves(tmp_path: Path) -> None:
    path = tmp_path / "boxes.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(entry(A)).encode()))
    assert BoxFile(path).boxes("O_1", 5, 5) == [tuple(A)]


def test_a_box_outside_its_image_names_file_line_and_image(tmp_path: Path) -> None:
    boxes = box_file(tmp_path, entry(A, image_id="O_0"), entry(A, C))
    with pytest.raises(
        ValueError, match=r"boxes.jsonl:2: the box \[0, 0, 10, 20\] of image 'O_1' is not inside.*10 × 19"
    ):
        boxes.boxes("O_1", 10, 19)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "this is no JSON"),
        ("[]", "a line must be like"),
        ({"boxes": [A]}, "a line must be like"),
        ({"image_id": "O_1", "boxes": {}}, "a line must be like"),
        (entry([0, 0, 1]), r"\[0, 0, 1\] of image 'O_1' must be four numbers"),
        (entry(["0", 0, 1, 1]), "must be four numbers"),
        ('{"image_id": "O_1", "boxes": [[0, 0, NaN, 1]]}', "must be four numbers"),
        (entry([5, 0, 5, 9]), r"\[5, 0, 5, 9\] of image 'O_1' is empty"),
        (entry([5, 9, 6, 1]), "is empty"),
        (entry([-1, 0, 5, 9]), "starts outside the image: clip it at 0"),
        (entry(A, B, scores=[1]), "image 'O_1' has 2 boxes and not as many numbers for scores"),
        (entry(A, scores=["high"]), "not as many numbers for scores"),
        (entry(A, image_id="O_0"), "image 'O_0' is on line 1 already"),
    ],
)
def test_a_malformed_line_gets_a_sentence(line: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"boxes.jsonl:2: .*{sentence}"):
        box_file(tmp_path, entry(A, image_id="O_0"), line)


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
