from __future__ import annotations

import pytest
import torch

from hf_mlm.models.base.modeling import as_regions, image_rows, see_regions


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


def test_regions_are_seen_each_by_itself_and_only_where_they_are() -> None:
    pixels, mask = torch.randn(2, 3, 3, 4, 4), torch.tensor([[True, False, True], [False, True, True]])
    seen = []

    def see(crops: torch.Tensor) -> torch.Tensor:
        seen.append(len(crops))
        return crops.mean(dim=(2, 3))

    features = see_regions(pixels, mask, see)
    assert seen == [4]
    for image in range(2):
        for region in range(3):
            expected = pixels[image, region].mean(dim=(1, 2)) if mask[image, region] else torch.zeros(3)
            torch.testing.assert_close(features[image, region], expected)


def test_gradients_reach_the_regions_that_are_there() -> None:
    pixels, mask = torch.randn(1, 2, 3, 4, 4, requires_grad=True), torch.tensor([[True, False]])
    see_regions(pixels, mask, lambda crops: crops.sum(dim=(1, 2, 3)) ** 2).sum().backward()
    assert (pixels.grad[0, 0] != 0).all() and (pixels.grad[0, 1] == 0).all()


@pytest.mark.parametrize(("shape", "mask"), [((2, 3, 4), None), ((2, 3, 3, 4, 4), (2, 2)), ((2, 3, 4, 4), (2, 3))])
def test_other_shapes_get_a_sentence(shape: tuple[int, ...], mask: tuple[int, ...] | None) -> None:
    with pytest.raises(ValueError, match="pixel_values must be"):
        as_regions(torch.zeros(shape), None if mask is None else torch.ones(mask))
