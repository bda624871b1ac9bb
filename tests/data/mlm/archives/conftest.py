"""Archives of a few records, as people keep them."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


RECORDS = [
    {"id": "A-1", "title": "Quay", "text_en": "A harbour.", "image": "a.jpg", "lat": "53.5", "lon": "-9,5"},
    {"id": "A-2", "title": "Hill", "text_en": "", "image": "b.jpg", "lat": "", "lon": ""},
    {"id": "A-3", "title": "Town", "text_en": "A town.", "image": "", "lat": "47.5", "lon": "16.5"},
]


def picture(seed: int, size: tuple[int, int] = (48, 32)) -> Image.Image:
    """Coarse noise, so that pictures of two seeds do not look alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def make_archive(tmp_path: Path) -> Callable[..., Path]:
    """``make_archive(records, "plates.csv")``: a folder with one table, ``a.jpg`` and ``b.jpg``."""

    def make(records: list[dict[str, Any]] = RECORDS, table: str = "plates.csv", delimiter: str = ",") -> Path:
        folder = tmp_path / "archive"
        folder.mkdir(exist_ok=True)
        for seed, name in enumerate(("a.jpg", "b.jpg")):
            picture(seed).save(folder / name)
        if table.endswith(".csv"):
            text = io.StringIO()
            writer = csv.DictWriter(text, list(records[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(records)
            (folder / table).write_text(text.getvalue(), encoding="utf-8")
        else:
            (folder / table).write_text(json.dumps(records), encoding="utf-8")
        return folder

    return make
