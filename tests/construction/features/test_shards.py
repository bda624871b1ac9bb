"""Rows to vectors: each image and text gets its own, in its place, whatever is beside it."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from hf_mlm.construction.features.shards import Describers, feature_rows, told_summaries


class Colour:
    """An image is described by its mean colour."""

    size = 3

    def __call__(self, pictures: list[Image.Image]) -> np.ndarray:
        return np.stack([np.asarray(picture, np.float32).mean(axis=(0, 1)) for picture in pictures])


class Length:
    """A text is described by its length; every text is asked for once."""

    size = 1

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: list[str], batch_size: int) -> np.ndarray:
        self.asked += texts
        return np.array([[len(text)] for text in texts], np.float32).reshape(-1, 1)


def row(
    number: int, colours: list[int], summaries: dict[str, str | None], classes: list[str] | None
) -> dict[str, Any]:
    images = [Image.new("RGB", (2, 2), (colour, 0, number)) for colour in colours]
    fixed = {"latitude": 1.0 * number, "longitude": -1.0 * number, "geo_cell": number % 2}
    return {"entity_id": f"Q{number}", "images": images, "summaries": summaries, "classes": classes} | fixed


ROWS = [
    row(1, [10, 20], {"en": "abc", "de": None, "fr": " "}, ["city", "port"]),
    row(2, [30], {"en": "abc", "de": "abcd"}, None),
    row(3, [40, 50, 60], {"en": None, "de": "x"}, ["city"]),
]


@pytest.mark.parametrize("batch_size", [1, 2, 50])
def test_everything_in_its_place(batch_size: int) -> None:
    texts = Length()
    found = feature_rows(ROWS, Describers([Colour(), Colour()], texts, batch_size), [(0, 0), (5, 6)])  # type: ignore
    assert sorted(texts.asked) == sorted({"abc", "abcd", "x", "city", "port"})
    for made, given in zip(found, ROWS, strict=True):
        assert made.entity_id == given["entity_id"]
        colours = [[*np.asarray(image)[0, 0].tolist()] * 2 for image in given["images"]]
        assert made.images.tolist() == colours
        assert made.classes.tolist() == [[len(name)] for name in given["classes"] or []]
        assert made.summaries.tolist() == [[len(text)] for text in told_summaries(given).values()]
        assert made.cell_position == [(0, 0), (5, 6)][given["geo_cell"]] and made.position[1] == -made.position[0]
    assert found[0].languages == ["en"] and found[1].languages == ["en", "de"]
