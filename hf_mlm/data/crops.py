"""Random windows of training images, against learning images by heart."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hf_mlm.data.samplers import entity_keys


@dataclass(frozen=True)
class RandomCrops:
    """Makes batches as another collator does, and cuts a random window out of every image.

    Evaluation sees whole images, so the image encoder must take several sizes, as convolutional ones do. Windows
    depend on the batch and the seed alone, like the views that are shown.

    Args:
        collator: such as `DataCollatorForRetrievalAndGeo` with ``views="random"``.
        size: pixels of a window's side.
        seed: start of the random draws.

    Raises:
        ValueError: when called, if the images are smaller than the window, or there are none.
    """

    collator: Any
    size: int
    seed: int = 0

    def evaluation(self) -> Any:
        """Give the other collator's evaluation, on whole images."""
        return self.collator.evaluation()

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Make a batch whose ``pixel_values`` are (batch, 3, size, size)."""
        batch = self.collator(rows)
        if "pixel_values" not in batch:
            raise ValueError(f"there is no image to crop to {self.size} pixels: the rows hold precomputed features.")
        keys = entity_keys([row["entity_id"] for row in rows])
        generator = np.random.default_rng([self.seed, zlib.crc32(keys.tobytes())])
        return {**batch, "pixel_values": random_windows(batch["pixel_values"], self.size, generator)}


def random_windows(images: torch.Tensor, size: int, generator: np.random.Generator) -> torch.Tensor:
    """Cut one window out of each image, every position as likely.

    Args:
        images: (batch, channels, height, width).
        size: of the window, in pixels.
        generator: of the positions.

    Returns:
        (batch, channels, size, size).

    Raises:
        ValueError: if an image is smaller than the window.
    """
    height, width = images.shape[2:]
    if size > min(height, width):
        raise ValueError(f"a window of {size} pixels does not fit into images of {height} × {width}.")
    tops = generator.integers(0, height - size + 1, len(images))  # (batch,)
    lefts = generator.integers(0, width - size + 1, len(images))
    corners = zip(images, tops.tolist(), lefts.tolist(), strict=True)
    return torch.stack([image[:, top : top + size, left : left + size] for image, top, left in corners])
