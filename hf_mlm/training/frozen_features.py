"""What frozen image encoders see, computed once instead of in every epoch."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import torch
from torch import nn

from hf_mlm.data.bounded_memory import BoundedMemory
from hf_mlm.models.two_mner.encoders_two_mner import ImageEncoder, ImageFeatures


MEMORY = 2 * 2**30  # bytes: 5,000 feature maps of 7 × 7 × 2048


def remember_features(model: nn.Module, memory: int = MEMORY) -> None:
    """Let the frozen image encoders of a 2M-NER remember their features, on CPU.

    An encoder counts as frozen if none of its parameters is trained; while it is in training mode, where batch norms
    look at the whole batch, nothing is remembered. Images are told apart by their pixels. Features equal those of a
    fresh computation but for the rounding of sums, whose order may depend on the number of images of a batch.

    Args:
        model: `TwoMNERForTokenClassification`; others are left as they are.
        memory: bytes that kept features may take, for each encoder; images beyond that are looked at every time.
    """
    for encoder in model.modules():
        if isinstance(encoder, ImageEncoder) and not any(weight.requires_grad for weight in encoder.parameters()):
            encoder.forward = RememberedFeatures(encoder, memory)  # type: ignore[method-assign]


class RememberedFeatures:
    """An image encoder's ``forward`` with a memory.

    Args:
        encoder: frozen.
        memory: bytes that kept features may take.
    """

    def __init__(self, encoder: ImageEncoder, memory: int):
        self.encoder, self.compute = encoder, encoder.forward
        self.kept: BoundedMemory[ImageFeatures] = BoundedMemory(memory, _size)

    def __call__(self, pixel_values: torch.Tensor) -> ImageFeatures:
        """Look at (images, 3, height, width), those alone that are new."""
        if self.encoder.training or pixel_values.device.type != "cpu":
            return self.compute(pixel_values)
        keys = [_key(pixels, self.encoder.model.dtype) for pixels in pixel_values]
        features = self.kept.get(keys, lambda new: self._look(pixel_values[new]))
        return ImageFeatures(*(torch.stack(parts) for parts in zip(*features, strict=True)))

    @torch.no_grad()
    def _look(self, pixel_values: torch.Tensor) -> list[ImageFeatures]:
        seen = self.compute(pixel_values)
        return [ImageFeatures(*(part.clone() for part in parts)) for parts in zip(*seen, strict=True)]


def _size(features: ImageFeatures) -> int:
    return sum(part.nbytes for part in features)


def _key(pixels: torch.Tensor, weights: torch.dtype) -> bytes:
    """A digest of an image's pixels, and of what else decides its features: types, which autocast changes too."""
    state: Any = (torch.is_autocast_enabled("cpu"), weights, pixels.dtype, tuple(pixels.shape))
    values = pixels.contiguous().view(torch.uint8).numpy()
    return blake2b(values, digest_size=16, key=repr(state).encode()[:64]).digest()
