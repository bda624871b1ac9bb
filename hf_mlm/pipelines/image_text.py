"""Base of the pipelines of IR+LE: images and texts in any form, each kind of a batch encoded together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from hf_mlm.pipelines.base import BatchingPipeline, check_whole, open_image


MODALITIES = ("image", "text")
IMAGE_TYPES = (Image.Image, os.PathLike, bytes, bytearray, np.ndarray)
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp")


class Query(NamedTuple):
    """An image, a text or both, ready for the model.

    Args:
        pixel_values: (1, 3, height, width), or None.
        text: a summary, or None.
        classes: of the text, joined by ", " or as a list of names.
    """

    pixel_values: torch.Tensor | None
    text: str | None
    classes: str | Sequence[str]

    @property
    def modalities(self) -> list[str]:
        """Which of ``"image"`` and ``"text"`` there are."""
        given = (self.pixel_values is not None, self.text is not None)
        return [name for name, present in zip(MODALITIES, given, strict=True) if present]


class ImageTextPipeline(BatchingPipeline):
    """Runs `IRLEForRetrievalAndGeo` over images and texts; subclasses say what comes of the outputs.

    A string is a text, whatever it looks like, so that no text makes the program open a file or an address. An image
    is a Pillow image, a `pathlib.Path`, encoded bytes or a uint8 array, or stands under ``"image"`` in a mapping,
    where paths and addresses may be strings too: ``{"image": …}``, ``{"text": …, "classes": …}`` or both in one.
    """

    task_needed: str  # of the model's tasks

    def __init__(self, model: Any, *args: Any, **kwargs: Any):
        super().__init__(model, *args, **kwargs)
        config = self.model.config
        if config.model_type != "irle":
            raise ValueError(f"{self.task} runs on models of type 'irle', and this one is a {config.model_type!r}.")
        if self.task_needed not in config.tasks:
            raise ValueError(
                f"{self.task} needs a model with the task {self.task_needed!r}, and this one has only "
                f"{', '.join(map(repr, config.tasks))}: train it with tasks=['retrieval', 'geo']."
            )
        if config.image_encoder_config is None and config.text_encoder_config is None:
            raise ValueError(
                f"this model reads precomputed features and {self.task} takes images and texts: call the model's "
                "encode_images and encode_texts, or train one with image_encoder_config and text_encoder_config."
            )
        if self.processor is None:
            raise ValueError(
                f"{self.task} found no processor beside the model: write one there with "
                "IRLEProcessor(image_processor, tokenizer).save_pretrained(folder), or pass processor=."
            )
        self.model.eval()

    def preprocess(self, inputs: Any, timeout: float | None = None) -> Query:
        """Read a query's image and text.

        Args:
            inputs: see the class.
            timeout: seconds to wait for an image at an address; no end when None.

        Raises:
            ValueError: if it is neither image nor text, the text is empty, holds half a character or nothing that the
                tokenizer knows, its classes are no names, the image cannot be read, or there is no encoder for it.
            OSError: if the image is not there.
        """
        image, text, classes = self._parts(inputs)
        pixel_values = None
        for name, value in zip(MODALITIES, (image, text), strict=True):
            if value is not None and getattr(self.model.config, f"{name}_encoder_config") is None:
                raise ValueError(f"this model has no {name}_encoder_config: leave out the {name}.")
        if image is not None:
            pixel_values = self.processor(images=[open_image(image, timeout)])["pixel_values"]
        if text is not None and not text.strip():
            raise ValueError(f"{self.task} got an empty text: leave it out, or say what it is about.")
        check_whole(text or "")
        self._refuse_foreign(text)
        return Query(pixel_values, text, classes)

    def _refuse_foreign(self, text: str | None) -> None:
        """Refuse a text of which the tokenizer knows nothing, as one in letters that the training had not."""
        tokenizer = self.processor.tokenizer
        unknown = getattr(tokenizer, "unk_token_id", None)
        if text is None or unknown is None:
            return
        if set(tokenizer(text, add_special_tokens=False)["input_ids"]) <= {unknown}:
            raise ValueError(
                f"the model knows no word of the text {text!r:.60}: ask in a language that it was trained on."
            )

    def _parts(self, inputs: Any) -> tuple[Any, str | None, str | Sequence[str]]:
        """Image, text and classes of a query."""
        if isinstance(inputs, Mapping) and not {"bytes", "path"} & set(inputs):
            image, text, classes = inputs.get("image"), inputs.get("text"), inputs.get("classes") or ""
        elif isinstance(inputs, str):
            image, text, classes = None, inputs, ""
            if text.lower().endswith(IMAGE_SUFFIXES) and len(text.split()) == 1:
                raise ValueError(f"a string is read as a text: for an image pass {{'image': {text!r}}}.")
        else:
            image, text, classes = inputs if isinstance(inputs, (Mapping, *IMAGE_TYPES)) else None, None, ""
        if (image is None and text is None) or not isinstance(text, (str, type(None))):
            raise ValueError(
                f"{self.task} takes a text, an image, or a mapping with 'image', 'text' or both, or a list or "
                f"generator of them, and got a {_describe(inputs)}; of a dataset pass iter(dataset)."
            )
        if not isinstance(classes, str) and not (isinstance(classes, Sequence) and all(map(_is_text, classes))):
            raise ValueError(f"classes={classes!r} must be names, as a list or joined by ', '.")
        return image, text, classes

    def _collate(self, batch: Sequence[Query]) -> dict[str, dict[str, torch.Tensor]]:
        """Arguments of ``encode_images`` and ``encode_texts``, as far as the batch has any."""
        pixels = [query.pixel_values for query in batch if query.pixel_values is not None]
        texts = [query for query in batch if query.text is not None]
        data: dict[str, Any] = {}
        if pixels:
            data["image"] = {"pixel_values": torch.cat(pixels)}  # (images, 3, height, width)
        if texts:
            classes = [query.classes for query in texts] if self.model.config.use_classes else None
            data["text"] = dict(self.processor(text=[query.text for query in texts], classes=classes))
        return data

    def _forward(self, model_inputs: dict[str, dict[str, torch.Tensor]]) -> dict[str, dict[str, torch.Tensor]]:
        """Embeddings and geo logits by modality."""
        encoders = {"image": self.model.encode_images, "text": self.model.encode_texts}
        return {name: dict(encoders[name](**inputs)) for name, inputs in model_inputs.items()}

    def _refuse_unknown(self, settings: Mapping[str, Any]) -> None:
        if settings:
            raise ValueError(f"{self.task} has no setting {', '.join(settings)}.")

    def _refuse_top_k(self, top_k: Any) -> None:
        if top_k is not None and not (isinstance(top_k, int) and not isinstance(top_k, bool) and top_k >= 1):
            raise ValueError(f"top_k={top_k!r} must be a whole number of at least 1.")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _describe(inputs: Any) -> str:
    if isinstance(inputs, Mapping):
        return f"mapping with {', '.join(f'{name!r}: {type(value).__name__}' for name, value in inputs.items())}"
    return type(inputs).__name__
