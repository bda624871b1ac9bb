"""Processors and configurations of encoders, from folders or settings; tokenizers learned on the training texts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CONFIG_MAPPING, AutoConfig, AutoImageProcessor, PreTrainedConfig, PreTrainedTokenizerFast

from hf_mlm.models.base.encoders import opening


SPECIAL_TOKENS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
IMAGE_SIZE = 224  # where neither the image processor nor the encoder tells


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


def describe_encoder(settings: Any, tokenizer: Any = None) -> PreTrainedConfig:
    """Make the configuration of an encoder, with the size of the tokenizer's vocabulary if it is of texts.

    Args:
        settings: of the encoder, ``model_type`` among them.
        tokenizer: of texts.

    Raises:
        ValueError: if there is no ``model_type``, or transformers does not know it.
    """
    described = dict(settings or {})
    kind = described.pop("model_type", None)
    if kind is None:
        raise ValueError(f"the encoder {described} needs a model_type, such as resnet or bert, or name its folder.")
    if kind not in CONFIG_MAPPING:
        near = difflib.get_close_matches(str(kind), list(CONFIG_MAPPING), n=1) or ["bert"]
        raise ValueError(
            f"transformers knows no encoder of model_type={kind!r}; name one that it does, as {near[0]!r}."
        )
    if tokenizer is not None:
        described |= {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    return AutoConfig.for_model(kind, **described)
