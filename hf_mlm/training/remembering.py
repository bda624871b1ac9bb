"""Preparing images and texts once instead of in every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.data.data_collator import pad_without_fast_tokenizer_warning

from hf_mlm.data.bounded_memory import BoundedMemory
from hf_mlm.models.irle import IRLEProcessor
from hf_mlm.models.irle.processing_irle import CLASS_SEPARATOR


MEMORY = 512 * 2**20  # bytes: ten thousand images of 64 × 64 pixels


class RememberingProcessor:
    """Gives the batches that an `IRLEProcessor` gives, bit for bit, and keeps what it has prepared.

    Args:
        processor: prepares what is new.
        memory: bytes that kept images may take. Images beyond that are prepared anew every time; texts are small and
            kept all.
    """

    def __init__(self, processor: IRLEProcessor, memory: int = MEMORY):
        self.processor = processor
        self.images: BoundedMemory[torch.Tensor] = BoundedMemory(memory)  # encoded, or path -> (3, height, width)
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
