"""Remembered pixels against those prepared anew."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPImageProcessorPil

from hf_mlm.data.image_memory import RememberingImages, remember_images
from hf_mlm.models.two_mner import TwoMNERProcessor


class Counting(TwoMNERProcessor):
    """Encodes images alone, and counts them."""

    def __init__(self) -> None:
        self.image_processor: Any = CLIPImageProcessorPil(
            size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8}
        )
        self.seen: list[Any] = []

    def encode_pictures(self, pictures: Any, keys: Any) -> dict[str, np.ndarray]:
        self.seen += keys
        return super().encode_pictures(pictures, keys)


def picture(number: int) -> dict[str, Any]:
    file = BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (9, 11, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


@pytest.mark.parametrize("room", [0, 2, 99])
def test_batches_are_the_same_bit_for_bit_and_images_prepared_once_while_there_is_room(room: int) -> None:
    plain, counted = Counting(), Counting()
    remembering = RememberingImages(counted, memory=room * 3 * 8 * 8 * 4)
    for numbers in ([0, 1, None, 0], [2, 1, 0, None], [2, 0, 2, 1]):
        images = [None if number is None else picture(number) for number in numbers]
        ours, theirs = (each.encode_images(images, numbers) for each in (remembering, plain))
        assert all(np.array_equal(ours[name], theirs[name]) for name in ("pixel_values", "image_index"))
    assert len(counted.seen) == {0: 8, 2: 4, 99: 3}[room] and len(plain.seen) == 8
    assert remembering.encode_images([None], ["x"]) == plain.encode_images([None], ["x"]) == {}


def test_processors_that_make_more_of_images_are_left_alone() -> None:
    text_only = SimpleNamespace()
    regions = Counting()
    assert remember_images(text_only) is text_only and remember_images(regions) is regions
