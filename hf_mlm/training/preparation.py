"""The processor of raw rows: an image processor and a tokenizer that suit the encoders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import transformers
from datasets import Dataset
from transformers import AutoImageProcessor, AutoTokenizer

from hf_mlm.models.encoders import opening
from hf_mlm.models.irle import IRLEProcessor
from hf_mlm.training.arguments import IRLEArguments
from hf_mlm.training.tokenizer import learn_tokenizer


IMAGE_SIZE = 224  # where neither the image processor nor the encoder tells


def build_processor(arguments: IRLEArguments, rows: Dataset) -> IRLEProcessor:
    """Bring together the image processor and the tokenizer of the encoders.

    Args:
        arguments: ``image_encoder``, ``text_encoder``, ``image_processor``, ``tokenizer`` and ``vocabulary_size``.
        rows: raw training rows, whose summaries and classes a new tokenizer learns from.

    Raises:
        ValueError: if an encoder is not named, or there is no such image processor.
    """
    for name in ("image_encoder", "text_encoder"):
        if not getattr(arguments, name):
            raise ValueError(
                f"the dataset {arguments.dataset!r} has raw images and texts, and {name} is not set: name the folder "
                "of a transformers model, or give a configuration such as {model_type: bert, hidden_size: 128}."
            )
    folder = arguments.tokenizer or arguments.text_encoder
    if isinstance(folder, str):
        with opening(folder):
            tokenizer = AutoTokenizer.from_pretrained(folder)
    else:
        tokenizer = learn_tokenizer(_texts(rows), arguments.vocabulary_size)
    return IRLEProcessor(build_image_processor(arguments.image_encoder, arguments.image_processor), tokenizer)


def build_image_processor(encoder: Any, settings: Any = None) -> Any:
    """Open the image processor that is named, that of the encoder's folder, or make one for its image size.

    Args:
        encoder: folder of a vision model, or its configuration as a mapping.
        settings: folder of an image processor, or its settings as a mapping.

    Raises:
        ValueError: if there is no such image processor.
    """
    if settings is None and isinstance(encoder, str):
        settings = encoder
    if isinstance(settings, str):
        with opening(settings):
            return AutoImageProcessor.from_pretrained(settings)
    side = encoder.get("image_size", IMAGE_SIZE) if isinstance(encoder, dict) else IMAGE_SIZE
    described = {"size": {"height": side, "width": side}, **(settings or {})}
    kind = described.pop("image_processor_type", "ViTImageProcessor")
    processor = getattr(transformers, f"{kind}Pil", None)
    if processor is None:
        raise ValueError(
            f"transformers has no Pillow image processor for image_processor_type={kind!r}; leave it out for "
            "ViTImageProcessor, or name the folder of one."
        )
    return processor(**described)


def _texts(rows: Dataset) -> Iterator[str]:
    for row in rows.select_columns(["summaries", "classes"]):
        yield from (text for text in row["summaries"].values() if text)
        yield ", ".join(row["classes"])
