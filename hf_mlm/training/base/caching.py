"""Caches of prepared images, texts and frozen encoders' features, each bounded in bytes.

Training passes over the same rows in every epoch. What a row's image or text alone decides is computed once, and the
batches and features are those that would be computed anew.
"""

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


IMAGE_CACHE_BYTES = 2 * 2**30  # 3,500 images of 224 × 224 pixels
ROW_CACHE_BYTES = 512 * 2**20  # ten thousand images of 64 × 64 pixels
FEATURE_CACHE_BYTES = 2 * 2**30  # 5,000 feature maps of 7 × 7 × 2048

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """Values by their keys: the first ones are kept while there is room, later ones computed anew every time.

    None is ever evicted. Training passes over all of its rows in every epoch, so that a cache that evicted its oldest
    values would have lost each of them by the time it is asked for again.

    Args:
        room: bytes that kept values may take.
        size: how many bytes a value takes; its ``nbytes`` when omitted.

    Example:
        >>> cache: BoundedCache[bytes] = BoundedCache(room=3, size=len)
        >>> cache.get("abca", lambda new: [b"22" if index == 0 else b"333" for index in new])
        [b'22', b'333', b'333', b'22']
        >>> len(cache)
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
            compute: makes the values of the keys at these indices, in their order; not called where all are kept. They
                own their bytes, as a view of a batch would keep the whole of it.

        Returns:
            A value for each key.
        """
        firsts: dict[Hashable, int] = {}
        for index, key in enumerate(keys):
            if key not in self.kept:
                firsts.setdefault(key, index)
        new = dict(zip(firsts, compute(list(firsts.values())), strict=True)) if firsts else {}
        found = [new[key] if key in new else self.kept[key] for key in keys]
        for key, value in new.items():
            if self.size(value) <= self.room:
                self.kept[key] = value
                self.room -= self.size(value)
        return found


class CachedProcessor:
    """An `IRLEProcessor` whose images and texts are prepared once; its batches are the same bit for bit.

    Args:
        processor: prepares what is new.
        room: bytes that kept images may take; texts are small, and all of them are kept.
    """

    def __init__(self, processor: Any, room: int = ROW_CACHE_BYTES):
        self.processor = processor
        self.images: BoundedCache[torch.Tensor] = BoundedCache(room)  # encoded, or path -> (3, height, width)
        self.texts: dict[str, list[int]] = {}  # -> token ids

    def __call__(
        self,
        images: Sequence[dict[str, Any]] | None,
        text: Sequence[str],
        classes: Sequence[Sequence[str]],
        return_tensors: str = "pt",
    ) -> dict[str, torch.Tensor]:
        """Prepare a batch; the arguments are those of `IRLEProcessor`.

        Args:
            images: as ``{"bytes", "path"}``; None leaves out ``pixel_values``.
            text: one summary for each row.
            classes: names of each row's classes.
            return_tensors: "pt".
        """
        names = [self.processor.class_separator.join(row) for row in classes]
        class_tokens = {f"class_{name}": values for name, values in self._tokens(names, return_tensors).items()}
        pixels = {"pixel_values": self._pixels(images)} if images else {}
        return {**pixels, **self._tokens(text, return_tensors), **class_tokens}

    def _pixels(self, images: Sequence[dict[str, Any]]) -> torch.Tensor:
        """Join prepared images to (batch, 3, height, width)."""
        keys = [image["bytes"] or image["path"] for image in images]
        return torch.stack(self.images.get(keys, lambda new: self._prepare([images[index] for index in new])))

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


def cache_images(processor: Any, room: int = IMAGE_CACHE_BYTES) -> Any:
    """Wrap a tagger's processor in `CachedImages` if it declares ``cacheable_images``, else give it back.

    Args:
        processor: of any tagger.
        room: bytes that kept pixels may take.
    """
    return CachedImages(processor, room) if getattr(processor, "cacheable_images", False) else processor


class CachedImages:
    """A tagger's processor whose images are prepared once, as its collator sees it.

    Each process of a DataLoader has a cache of its own.

    Args:
        processor: prepares what is new; its pixels are a function of the image alone.
        room: bytes that kept pixels may take; images beyond that are decoded and prepared anew every time.
    """

    def __init__(self, processor: Any, room: int = IMAGE_CACHE_BYTES):
        self.processor = processor
        self.windows, self.rows, self.pad = processor.windows, processor.rows, processor.pad
        self.pixels: BoundedCache[np.ndarray] = BoundedCache(room)  # (3, height, width) each

    def encode_images(self, images: Sequence[Any], keys: Sequence[Hashable]) -> dict[str, np.ndarray]:
        """Prepare a batch's images as `ImageSentenceProcessor.encode_images` does.

        Args:
            images: of each row, None where it has none.
            keys: what tells one image from another, in this batch and in all others.
        """
        firsts, image_index = distinct_images(images, keys)
        if not firsts:
            return {}
        distinct, pictures = list(firsts), list(firsts.values())
        pixels = self.pixels.get(
            distinct, lambda new: self._prepare([pictures[index] for index in new], [distinct[index] for index in new])
        )
        return {"pixel_values": np.stack(pixels), "image_index": image_index}

    def _prepare(self, images: Sequence[Any], keys: Sequence[Hashable]) -> list[np.ndarray]:
        return [pixels.copy() for pixels in self.processor.encode_images(images, keys)["pixel_values"]]


def cache_features(model: nn.Module, room: int = FEATURE_CACHE_BYTES) -> None:
    """Cache the features of a model's frozen image encoders, on CPU.

    An encoder that declares ``cacheable_features`` counts as frozen if none of its parameters is trained. Features
    equal those of a fresh computation but for the rounding of sums, whose order may depend on the number of images of
    a batch.

    Args:
        model: a tagger; one without such encoders is left as it is.
        room: bytes that kept features may take, for each encoder; images beyond that are encoded every time.
    """
    for encoder in model.modules():
        trained = any(weight.requires_grad for weight in encoder.parameters())
        if getattr(encoder, "cacheable_features", False) and not trained:
            encoder.forward = CachedFeatures(encoder, room)


class CachedFeatures:
    """A frozen image encoder's ``forward`` with a cache, in which images are told apart by their pixels.

    In training mode, where batch norms look at the whole batch, nothing is kept.

    Args:
        encoder: its ``forward`` takes (images, 3, height, width) and returns a named tuple of tensors (images, …).
        room: bytes that kept features may take.
    """

    def __init__(self, encoder: Any, room: int):
        self.encoder, self.compute = encoder, encoder.forward
        self.kept: BoundedCache[Any] = BoundedCache(room, size=_nbytes)

    def __call__(self, pixel_values: torch.Tensor) -> Any:
        """Encode (images, 3, height, width), those alone that are new."""
        if self.encoder.training or pixel_values.device.type != "cpu":
            return self.compute(pixel_values)
        keys = [_digest(pixels, self.encoder.model.dtype) for pixels in pixel_values]
        features = self.kept.get(keys, lambda new: self._encode(pixel_values[new]))
        return type(features[0])(*(torch.stack(parts) for parts in zip(*features, strict=True)))

    @torch.no_grad()
    def _encode(self, pixel_values: torch.Tensor) -> list[Any]:
        encoded = self.compute(pixel_values)
        return [type(encoded)(*(part.clone() for part in parts)) for parts in zip(*encoded, strict=True)]


def _nbytes(features: Iterable[torch.Tensor]) -> int:
    return sum(part.nbytes for part in features)


def _digest(pixels: torch.Tensor, weights: torch.dtype) -> bytes:
    """Hash an image's pixels with what else decides its features: types, which autocast changes too."""
    state: Any = (torch.is_autocast_enabled("cpu"), weights, pixels.dtype, tuple(pixels.shape))
    values = pixels.contiguous().view(torch.uint8).numpy()
    return blake2b(values, digest_size=16, key=repr(state).encode()[:64]).digest()
