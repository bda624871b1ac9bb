from typing import Any

import numpy as np
import pytest
import torch

from hf_mlm.data.crops import RandomCrops, random_windows


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
