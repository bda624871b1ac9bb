from __future__ import annotations

import pytest
import torch

from hf_mlm.models.layers.image_index import image_rows


IMAGES = torch.zeros(2, 3, 4, 4)


def test_each_sentence_has_the_image_that_it_names() -> None:
    assert image_rows(3, IMAGES, torch.tensor([1, -1, 1])).tolist() == [1, -1, 1]
    masked = image_rows(3, IMAGES, torch.tensor([1, -1, 0]), torch.tensor([False, True, True]))
    assert masked.tolist() == [-1, -1, 0]


def test_images_of_all_sentences_need_no_index() -> None:
    assert image_rows(2, IMAGES).tolist() == [0, 1]
    assert image_rows(2, IMAGES, None, torch.tensor([0, 1])).tolist() == [-1, 1]
    with pytest.raises(ValueError, match="2 images for 3 sentences: pass image_index"):
        image_rows(3, IMAGES)


def test_no_images_are_no_rows() -> None:
    assert image_rows(2, None) is None and image_rows(2, IMAGES[:0]) is None
