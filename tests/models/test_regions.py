from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.models.regions import BoxFile, GridCrops, WholeImage, region_provider


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
