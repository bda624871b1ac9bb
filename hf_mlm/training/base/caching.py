"""Values that are computed once, as many of them as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import nn
from transformers.data.data_collator import pad_without_fast_tokenizer_warning

from hf_mlm.models.base.images import distinct_images
from hf_mlm.models.irle.processing_irle import CLASS_SEPARATOR, IRLEProcessor
from hf_mlm.models.two_mner.layers_two_mner import ImageEncoder, ImageFeatures


Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """Values by their keys: the first ones are kept while there is room, later ones computed anew every time.

    None is ever given up for another. Training passes over all of its rows in every epoch, so that a memory that gave
    up its oldest values would have lost each of them by the time it is asked for again.

    Args:
        room: bytes that kept values may take.
        size: how many bytes a value takes; its ``nbytes`` when omitted.

    Example:
        >>> memory: BoundedMemory[bytes] = BoundedMemory(room=3, size=len)
        >>> memory.get("abca", lambda new: [b"22" if place == 0 else b"333" for place in new])
        [b'22', b'333', b'333', b'22']
        >>> len(memory)
        1
    """

    def __init__(self, room: int, size: Callable[[Value], int] = attrgetter("nbytes")):
        self.room, self.size = room, size
        self.kept: dict[Hashable, Value] = {}

    def __len__(self) -> int:
        return len(self.kept)

    def get(self, keys: Sequence[Hashable], compute: Callable[[list[int]], Iterable[Value]]) -> list[Value]:
        """Look values up, and compute those that are not kept, each once.

        Args:
            keys: what tells one value from another.
            compute: makes the values of the keys at these places, in their order; not called where all are kept. They
                own their bytes, as a view of a batch would keep the whole of it.

        Returns:
            A value for each key.
        """
        places: dict[Hashable, int] = {}
        for place, key in enumerate(keys):
            if key not in self.kept:
                places.setdefault(key, place)
        new = dict(zip(places, compute(list(places.values())), strict=True)) if places else {}
        found = [new[key] if key in new else self.kept[key] for key in keys]
        for key, value in new.items():
            if self.size(value) <= self.room:
                self.kept[key] = value
                self.room -= self.size(value)
        return found


IMAGE_CACHE_BYTES = 2 * 2**30  # bytes: 3,500 images of 224 × 224 pixels


class CachedImages:
    """What the collator asks of a `TwoMNERProcessor`, bit for bit, with the pixels of images kept.

    Pixels are a function of the image alone, as nothing about preparing it is random. Each process of a DataLoader has
    a memory of its own.

    Args:
        processor: prepares what is new.
        memory: bytes that kept pixels may take; images beyond that are decoded and prepared anew every time.
    """

    def __init__(self, processor: Any, memory: int = IMAGE_CACHE_BYTES):
        self.processor = processor
        self.windows, self.rows, self.pad = processor.windows, processor.rows, processor.pad
        self.pixels: BoundedCache[np.ndarray] = BoundedCache(memory)  # (3, height, width) each

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


def cache_images(processor: Any, memory: int = IMAGE_CACHE_BYTES) -> Any:
    """Let a processor remember its images, if its pixels are all that it makes of them; else give it back.

    Args:
        processor: of any tagger.
        memory: bytes that kept pixels may take.
    """
    from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor

    plain = type(processor) is TwoMNERProcessor
    return CachedImages(processor, memory) if plain else processor


ROW_CACHE_BYTES = 512 * 2**20  # bytes: ten thousand images of 64 × 64 pixels


class CachedProcessor:
    """Gives the batches that an `IRLEProcessor` gives, bit for bit, and keeps what it has prepared.

    Args:
        processor: prepares what is new.
        memory: bytes that kept images may take. Images beyond that are prepared anew every time; texts are small and
            kept all.
    """

    def __init__(self, processor: IRLEProcessor, memory: int = ROW_CACHE_BYTES):
        self.processor = processor
        self.images: BoundedCache[torch.Tensor] = BoundedCache(memory)  # encoded, or path -> (3, height, width)
        self.texts: dict[str, list[int]] = {}  # -> token ids

    def __call__(
        self,
        images: Sequence[dict[str, Any]],
        text: Sequence[str],
        classes: Sequence[Sequence[str]],
        return_tensors: str = "pt",
    ) -> dict[str, torch.Tensor]:
        """Prepare a batch; the arguments are those of `IRLEProcessor`.

        Args:
            images: one for each row, as ``{"bytes", "path"}``.
            text: one summary for each row.
            classes: names of each row's classes.
            return_tensors: "pt".
        """
        names = [CLASS_SEPARATOR.join(row) for row in classes]
        class_tokens = {f"class_{name}": values for name, values in self._tokens(names, return_tensors).items()}
        return {"pixel_values": self._pixels(images), **self._tokens(text, return_tensors), **class_tokens}

    def _pixels(self, images: Sequence[dict[str, Any]]) -> torch.Tensor:
        """Join prepared images to (batch, 3, height, width)."""
        keys = [image["bytes"] or image["path"] for image in images]
        return torch.stack(self.images.get(keys, lambda new: self._prepare([images[place] for place in new])))

    def _prepare(self, images: list[dict[str, Any]]) -> list[torch.Tensor]:
        return [pixels.clone() for pixels in self.processor(images=images)["pixel_values"]]

    def _tokens(self, texts: Sequence[str], return_tensors: str) -> dict[str, torch.Tensor]:
        """Join token ids to ``input_ids`` and ``attention_mask``, (batch, tokens)."""
        tokenizer = self.processor.tokenizer
        new = [text for text in dict.fromkeys(texts) if text not in self.texts]
        if new:
            encoded = tokenizer(new, truncation=True, max_length=self.processor.max_length)
            self.texts.update(zip(new, encoded["input_ids"], strict=True))
        rows = {"input_ids": [self.texts[text] for text in texts]}
        return dict(pad_without_fast_tokenizer_warning(tokenizer, rows, return_tensors=return_tensors))


FEATURE_CACHE_BYTES = 2 * 2**30  # bytes: 5,000 feature maps of 7 × 7 × 2048


def cache_features(model: nn.Module, memory: int = FEATURE_CACHE_BYTES) -> None:
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
        self.kept: BoundedCache[ImageFeatures] = BoundedCache(memory, _size)

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
