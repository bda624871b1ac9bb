"""Sentences and regions of their images made ready for the taggers that look at regions one by one."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from PIL import Image

from hf_mlm.models.regions import Box, RegionProvider, region_provider
from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor


# Kept apart from the processors, which are saved, copied and hashed without the boxes of all images.
_PROVIDERS: WeakKeyDictionary[RegionProcessor, tuple[Any, RegionProvider]] = WeakKeyDictionary()


class RegionProcessor(TwoMNERProcessor):
    """Encodes words as `TaggerProcessor` does, and beside them the regions of each image.

    Where the images' ids are known, as with `DataCollatorForMultimodalTokenClassification`, a file's boxes are found
    by them; other images are one region each. A file is opened when the first image is, and a saved processor
    remembers its path alone.

    Args:
        image_processor: one of transformers' image processors, whose size every region is brought to. Whole images
            are cropped as it does; other regions are squeezed into a square, so that nothing of them is lost.
        tokenizer: the text encoder's.
        max_length: sub-tokens of a row, special tokens included; the tokenizer's limit when omitted.
        stride: sub-tokens that two windows of a sentence share at most; a quarter of ``max_length`` when omitted.
        regions: ``"whole"``, a grid such as ``"2x2"``, or a file of boxes; see `hf_mlm.models.regions`.
        num_regions: boxes of an image that are taken from a file at most.
    """

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        max_length: int | None = None,
        stride: int | None = None,
        regions: str | os.PathLike[str] = "whole",
        num_regions: int = 4,
        **kwargs: Any,
    ):
        super().__init__(image_processor, tokenizer, max_length, stride, **kwargs)
        self.regions = os.fspath(regions)
        self.num_regions = num_regions

    def encode_pictures(self, pictures: Sequence[Image.Image], keys: Sequence[Hashable]) -> dict[str, np.ndarray]:
        """Cut distinct images into regions and prepare those.

        Args:
            pictures: RGB, upright.
            keys: ids of the images.

        Returns:
            ``pixel_values`` float32 (images, regions, 3, height, width), 0 where an image has fewer regions than
            others may have, and ``region_mask`` bool (images, regions), False there.

        Raises:
            FileNotFoundError: if ``regions`` is neither a word that is known nor a file.
            ValueError: if the file of boxes is malformed, or a box is not inside its image.
        """
        provider = self.provider()
        boxes = [provider.boxes(key, *picture.size) for picture, key in zip(pictures, keys, strict=True)]
        crops = [_crop(picture, box) for picture, own in zip(pictures, boxes, strict=True) for box in own]
        pixels = np.asarray(self.image_processor(crops, return_tensors="np")["pixel_values"], dtype=np.float32)
        mask = np.arange(provider.num_regions) < np.array([len(own) for own in boxes])[:, None]  # (images, regions)
        padded = np.zeros((*mask.shape, *pixels.shape[1:]), dtype=np.float32)
        padded[mask] = pixels
        return {"pixel_values": padded, "region_mask": mask}

    def provider(self) -> RegionProvider:
        """What tells the regions of an image; a file of boxes is read at the first call.

        Raises:
            FileNotFoundError: if ``regions`` is neither a word that is known nor a file.
            ValueError: if the file of boxes is malformed.
        """
        settings = (self.regions, self.num_regions)
        known, provider = _PROVIDERS.get(self, (None, None))
        if provider is None or known != settings:
            provider = region_provider(*settings)
            _PROVIDERS[self] = settings, provider
        return provider

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's arguments that the processor makes."""
        return [*super().model_input_names, "region_mask"]


def _crop(picture: Image.Image, box: Box) -> Image.Image:
    """Cut out a region, as a square as wide as its longer side unless it is the whole image."""
    if tuple(box) == (0, 0, *picture.size):
        return picture
    side = max(1, round(max(box[2] - box[0], box[3] - box[1])))
    return picture.resize((side, side), Image.Resampling.BICUBIC, box=box)
