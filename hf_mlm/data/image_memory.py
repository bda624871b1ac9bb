"""Preparing the images of a tagger once instead of in every epoch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np


MEMORY = 2 * 2**30  # bytes: 3,500 images of 224 × 224 pixels


class RememberingImages:
    """What the collator asks of a `TwoMNERProcessor`, bit for bit, with the pixels of images kept.

    Pixels are a function of the image alone, as nothing about preparing it is random. Each process of a DataLoader has
    a memory of its own.

    Args:
        processor: prepares what is new.
        memory: bytes that kept pixels may take; images beyond that are decoded and prepared anew every time.
    """

    def __init__(self, processor: Any, memory: int = MEMORY):
        self.processor, self.memory = processor, memory
        self.windows, self.rows, self.pad = processor.windows, processor.rows, processor.pad
        self.pixels: dict[Hashable, np.ndarray] = {}  # (3, height, width) each

    def encode_images(self, images: Sequence[Any], keys: Sequence[Hashable]) -> dict[str, np.ndarray]:
        """Do what `TwoMNERProcessor.encode_images` does.

        Args:
            images: of each row, None where it has none.
            keys: what tells one image from another, in this batch and in all others.
        """
        present = {key: image for key, image in zip(keys, images, strict=True) if image is not None}
        if not present:
            return {}
        numbers = {key: number for number, key in enumerate(present)}
        index = [-1 if image is None else numbers[key] for key, image in zip(keys, images, strict=True)]
        new = {key: image for key, image in present.items() if key not in self.pixels}
        prepared = self._prepare(new) if new else {}
        pixels = [prepared[key] if key in prepared else self.pixels[key] for key in present]
        for key, values in prepared.items():
            if self.memory >= values.nbytes:
                self.pixels[key] = values.copy()  # not a view, which would keep its whole batch
                self.memory -= values.nbytes
        return {"pixel_values": np.stack(pixels), "image_index": np.array(index)}

    def _prepare(self, new: dict[Hashable, Any]) -> dict[Hashable, np.ndarray]:
        pixels = self.processor.encode_images(list(new.values()), list(new))["pixel_values"]
        return dict(zip(new, pixels, strict=True))


def remember_images(processor: Any, memory: int = MEMORY) -> Any:
    """Let a processor remember its images, if its pixels are all that it makes of them; else give it back.

    Args:
        processor: of any tagger.
        memory: bytes that kept pixels may take.
    """
    from hf_mlm.models.two_mner import TwoMNERProcessor

    plain = type(processor) is TwoMNERProcessor
    return RememberingImages(processor, memory) if plain else processor
