"""IR+LE in miniature: configurations, batches, encoders and a processor that other tests build on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertTokenizerFast,
    CLIPVisionConfig,
    ConvNextConfig,
    ConvNextImageProcessorPil,
    PreTrainedConfig,
    ResNetConfig,
    ViTConfig,
)

from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.processing_irle import IRLEProcessor


TOKENS = ["0d", "479", "47b", "6b1", "81"]  # S2 cells: North Atlantic, Alps, Rhine, Sydney, South America
SIZES = {"image_feature_size": 12, "summary_feature_size": 10, "class_feature_size": 8}
WORDS = ["a", "village", "town", "city", "capital", "in", "france", "germany", "of", "the", "on", "river", ",", "."]

IMAGE_ENCODERS: dict[str, PreTrainedConfig] = {
    "resnet": ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic"),
    "convnext": ConvNextConfig(num_stages=2, hidden_sizes=[4, 8], depths=[1, 1], patch_size=4),
    "vit": ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=32, patch_size=8
    ),
    "clip": CLIPVisionConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=32, patch_size=8
    ),
}
TEXT_ENCODER = BertConfig(
    vocab_size=32,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=32,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


def feature_config(**settings: Any) -> IRLEConfig:
    """On precomputed features, without dropout."""
    return IRLEConfig(**{**SIZES, "embedding_size": 6, "cell_tokens": TOKENS, "dropout": 0.0, **settings})


def raw_config(image: str = "resnet", **settings: Any) -> IRLEConfig:
    """On pixels and token ids, without dropout."""
    encoders = {
        "image_encoder_config": IMAGE_ENCODERS[image].to_dict(),
        "text_encoder_config": TEXT_ENCODER.to_dict(),
    }
    return IRLEConfig(**{**encoders, "embedding_size": 6, "cell_tokens": TOKENS, "dropout": 0.0, **settings})


def targets(rows: int) -> dict[str, torch.Tensor]:
    """Cells of all rows, and every second pair mismatched, so that no randomness is left in training."""
    cells = torch.arange(rows) % len(TOKENS)
    return {"image_cells": cells, "text_cells": cells, "pair_targets": 1 - 2 * (torch.arange(rows) % 2)}


def feature_batch(rows: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random features with `targets`."""
    generator = torch.Generator().manual_seed(seed)
    names = ("image_features", "summary_features", "class_features")
    features = {
        name: torch.randn(rows, size, generator=generator) for name, size in zip(names, SIZES.values(), strict=True)
    }
    return {**features, **targets(rows)}


def raw_batch(rows: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random pixels and token ids, the last row shorter, with `targets`."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.ones(rows, 7, dtype=torch.long)
    mask[-1, 4:] = 0
    return {
        "pixel_values": torch.randn(rows, 3, 32, 32, generator=generator),
        "input_ids": torch.randint(5, 32, (rows, 7), generator=generator),
        "attention_mask": mask,
        "class_input_ids": torch.randint(5, 32, (rows, 3), generator=generator),
        "class_attention_mask": torch.ones(rows, 3, dtype=torch.long),
        **targets(rows),
    }


def processor(folder: Path) -> IRLEProcessor:
    """A Pillow image processor of 32 pixels and a word list for tokenizer, made in ``folder``."""
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    images = ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=1.0)
    return IRLEProcessor(images, BertTokenizerFast(str(vocabulary)), max_length=16)
