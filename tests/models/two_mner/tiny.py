"""2M-NER in miniature: configurations, batches, tokenizers and processors that other tests build on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertTokenizerFast,
    CLIPVisionConfig,
    ConvNextConfig,
    ConvNextImageProcessorPil,
    Dinov2Config,
    PreTrainedTokenizerFast,
    ResNetConfig,
    SiglipVisionConfig,
    ViTConfig,
)
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig
from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor
from tests.models.crf_tagger.tiny import TEXT_ENCODER
from tests.models.crf_tagger.tiny import batch as text_batch


_SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
_PATCHES = {"image_size": 32, "patch_size": 16}
VITS = {
    "clip": CLIPVisionConfig(**_SIZES, **_PATCHES),
    "vit": ViTConfig(**_SIZES, **_PATCHES),
    "siglip": SiglipVisionConfig(**_SIZES, **_PATCHES),
    "dinov2": Dinov2Config(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, mlp_ratio=1, **_PATCHES),
}
RESNETS = {
    "resnet": ResNetConfig(embedding_size=4, hidden_sizes=[4, 6], depths=[1, 1], layer_type="basic"),
    "convnext": ConvNextConfig(num_stages=2, hidden_sizes=[4, 6], depths=[1, 1], patch_size=4),
}
WORDS = ["paris", "##ian", "in", "france", "the", "river", "un", "##believ", "##able", ",", ".", "a", "b"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def config(vit: str = "clip", resnet: str = "resnet", **settings: Any) -> TwoMNERConfig:
    """Both branches and nine labels, without dropout, the ResNet trained but in the statistics of its norms."""
    encoders = {
        "text_encoder_config": TEXT_ENCODER.to_dict(),
        "vit_config": VITS[vit].to_dict(),
        "resnet_config": RESNETS[resnet].to_dict(),
    }
    return TwoMNERConfig(**{**encoders, "dropout": 0.0, "collaboration_heads": 2, **settings})


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    """Random pixels (count, 3, 32, 32)."""
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def batch(rows: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """Sentences, each with a row of pixels, which the second one's mask hides."""
    mask = torch.ones(rows, dtype=torch.bool)
    mask[1] = False
    return {**text_batch(rows, seed), "pixel_values": pictures(rows, seed), "image_mask": mask}


def wordpiece(folder: Path) -> BertTokenizerFast:
    """A fast WordPiece tokenizer of a few words."""
    return BertTokenizerFast(str(_vocabulary(folder)))


def slow_wordpiece(folder: Path) -> BertTokenizerLegacy:
    """The same in Python."""
    return BertTokenizerLegacy(str(_vocabulary(folder)))


def unigram() -> PreTrainedTokenizerFast:
    """A fast Unigram tokenizer as SentencePiece makes them, with every letter in its vocabulary."""
    pieces = [("<pad>", 0.0), ("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("▁", -3.0), ("▁paris", -2.0), ("in", -2.0)]
    pieces += [(letter, -5.0) for letter in "abcdefghijklmnopqrstuvwxyz.,"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def byte_level() -> PreTrainedTokenizerFast:
    """A fast byte-level tokenizer that puts no space before a text, as ModernBERT's: every byte is a token."""
    alphabet = {"[CLS]": 0, "[SEP]": 1, "[PAD]": 2, "[UNK]": 3}
    alphabet |= {byte: 4 + number for number, byte in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    alphabet |= {"Ġb": len(alphabet), "Ġpa": len(alphabet) + 1}
    tokenizer = Tokenizer(models.BPE(alphabet, [("Ġ", "b"), ("p", "a"), ("Ġ", "pa")][:1], unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def processor(folder: Path, **settings: Any) -> TwoMNERProcessor:
    """A Pillow image processor of 32 pixels and the WordPiece tokenizer, made in ``folder``."""
    images = ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=1.0)
    return TwoMNERProcessor(images, wordpiece(folder), **{"max_length": 16, **settings})


def _vocabulary(folder: Path) -> Path:
    path = folder / "vocab.txt"
    path.write_text("\n".join([*SPECIAL, *WORDS]))
    return path
