"""Preparing the images of a tagger once instead of in every epoch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from hf_mlm.data.bounded_memory import BoundedMemory
from hf_mlm.models.images import distinct_images


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
        self.processor = processor
        self.windows, self.rows, self.pad = processor.windows, processor.rows, processor.pad
        self.pixels: BoundedMemory[np.ndarray] = BoundedMemory(memory)  # (3, height, width) each

    def encode_images(self, images: Sequence[Any], keys: Sequence[Hashable]) -> dict[str, np.ndarray]:
        """Do what `TwoMNERProcessor.encode_images` does.

        Args:
            images: of each row, None where it has none.
            keys: what tells one image from another, in this batch and in all others.
        """
        firsts, index = distinct_images(images, keys)
        if not firsts:
            return {}
        distinct, pictures = list(firsts), list(firsts.values())
        pixels = self.pixels.get(
            distinct, lambda new: self._prepare([pictures[place] for place in new], [distinct[place] for place in new])
        )
        return {"pixel_values": np.stack(pixels), "image_index": index}

    def _prepare(self, images: Sequence[Any], keys: Sequence[Hashable]) -> list[np.ndarray]:
        return [pixels.copy() for pixels in self.processor.encode_images(images, keys)["pixel_values"]]


def remember_images(processor: Any, memory: int = MEMORY) -> Any:
    """Let a processor remember its images, if its pixels are all that it makes of them; else give it back.

    Args:
        processor: of any tagger.
        memory: bytes that kept pixels may take.
    """
    from hf_mlm.models.two_mner import TwoMNERProcessor

    plain = type(processor) is TwoMNERProcessor
    return RememberingImages(processor, memory) if plain else processor
