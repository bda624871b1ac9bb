from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hf_mlm.models.adacan import AdaCANProcessor
from hf_mlm.models.image_sentence_processor import ImageSentenceProcessor
from hf_mlm.models.region_processor import RegionProcessor
from hf_mlm.models.two_mner import TwoMNERProcessor
from tests.models.letter_counter import LetterCounter


class LetterAndPictureCounter(ImageSentenceProcessor, LetterCounter):
    """Beside them images, of which one grey value is left."""

    def encode_pictures(self, pictures: Sequence[Image.Image], keys: Sequence[Any]) -> dict[str, np.ndarray]:
        return {"pixel_values": np.array([picture.getpixel((0, 0))[0] for picture in pictures])}


def test_every_row_of_a_sentence_has_its_image_and_equal_ones_are_prepared_once() -> None:
    counter = LetterAndPictureCounter()
    dark, light = Image.new("RGB", (1, 1), (3, 3, 3)), Image.new("RGB", (1, 1), (250, 9, 9))
    sentences = [["a"], ["a", "b", "c"], ["a"], ["a"]]
    batch = counter(sentences, images=[dark, light, None, dark])
    assert batch["image_index"].tolist() == [0, 1, 1, -1, 0] and batch["pixel_values"].tolist() == [3, 250]
    assert set(counter(sentences, images=[None] * 4)) == {"input_ids"}
    assert counter("a", images=light)["pixel_values"].tolist() == [250]
    assert counter.model_input_names == ["input_ids", "pixel_values", "image_index"]
    with pytest.raises(ValueError, match="there are 3 images for 4 sentences: pass None for none"):
        counter(sentences, images=[dark] * 3)


def test_all_processors_with_images_are_called_alike() -> None:
    for processor in (TwoMNERProcessor, RegionProcessor, AdaCANProcessor):
        assert processor.__call__ is ImageSentenceProcessor.__call__
