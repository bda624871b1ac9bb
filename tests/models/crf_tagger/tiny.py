"""A CRF tagger in miniature: configurations and batches that other tests build on."""

from __future__ import annotations

from typing import Any

import torch
from transformers import BertConfig

from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig


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


def config(**settings: Any) -> CRFTaggerConfig:
    """Nine labels, without dropout."""
    return CRFTaggerConfig(**{"text_encoder_config": TEXT_ENCODER.to_dict(), "dropout": 0.0, **settings})


def batch(rows: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """Sentences of four words and seven sub-tokens, the last row of two words and padded."""
    generator = torch.Generator().manual_seed(seed)
    word_ids = torch.tensor([-1, 0, 1, 1, 2, 3, 3, -1]).repeat(rows, 1)
    word_ids[-1] = torch.tensor([-1, 0, 1, 1, -1, -1, -1, -1])
    mask = torch.ones_like(word_ids)
    mask[-1, 5:] = 0
    labels = torch.randint(0, 9, word_ids.shape, generator=generator)
    starts = torch.tensor([False, True, True, False, True, True, False, False]) & (word_ids >= 0)
    return {
        "input_ids": torch.randint(5, 32, word_ids.shape, generator=generator),
        "attention_mask": mask,
        "word_ids": word_ids,
        "labels": labels.where(starts, -100),
    }
