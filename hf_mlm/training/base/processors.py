"""A small tokenizer from the training texts, for text encoders that start from scratch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import transformers
from datasets import Dataset
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoImageProcessor, AutoTokenizer, PreTrainedTokenizerFast

from hf_mlm.models.base.encoders import opening
from hf_mlm.models.irle.processing_irle import IRLEProcessor
from hf_mlm.training.irle.arguments import IRLEArguments


SPECIAL_TOKENS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


def learn_tokenizer(texts: Iterable[str], vocabulary_size: int, lowercase: bool = True) -> PreTrainedTokenizerFast:
    """Learn byte-pair pieces of words; the same texts give the same tokenizer in every process.

    Args:
        texts: to learn from.
        vocabulary_size: at most so many entries.
        lowercase: whether a word's case is left aside.

    Example:
        >>> tokenizer = learn_tokenizer(["Cork is a city", "Galway is a city"], 60)
        >>> tokenizer.convert_ids_to_tokens(tokenizer("a City")["input_ids"])
        ['[CLS]', 'a', 'city', '[SEP]']
    """
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    lower = [normalizers.Lowercase()] if lowercase else []
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), *lower])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = list(SPECIAL_TOKENS.values())
    trainer = trainers.BpeTrainer(vocab_size=vocabulary_size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL_TOKENS)


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
