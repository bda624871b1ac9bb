from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForTokenClassification

from hf_mlm.models.word_level.configuration import HBiLSTMCRFConfig
from hf_mlm.models.word_level.modeling import HBiLSTMCRFForTokenClassification
from tests.models.common import Batch
from tests.models.word_level.common import TextTaggerTests
from tests.models.word_level.tiny import CHARACTER_SIZES, batch


class TestHBiLSTMCRF(TextTaggerTests):
    """The common tests of models and of word-level taggers."""

    model_class = HBiLSTMCRFForTokenClassification
    auto_class = AutoModelForTokenClassification
    wrong_settings = [{"num_characters": 0}, {"character_size": 5}, {"projection_size": 0}, {"hidden_size": 7}]

    def config(self, **settings: Any) -> HBiLSTMCRFConfig:
        return HBiLSTMCRFConfig(**{**CHARACTER_SIZES, "projection_size": 5, **settings})

    def batch(self, rows: int = 4, seed: int = 0) -> Batch:
        return batch(rows, seed)


def model() -> HBiLSTMCRFForTokenClassification:
    torch.manual_seed(0)
    return HBiLSTMCRFForTokenClassification(HBiLSTMCRFConfig(**CHARACTER_SIZES)).eval()


def test_unknown_words_differ_by_their_spelling() -> None:
    tagger, inputs = model(), batch()
    unknown = inputs | {"input_ids": torch.ones_like(inputs["input_ids"])}
    same = inputs["character_ids"][:1, :1].expand(4, 5, 4)
    alike = tagger(**unknown | {"character_ids": same, "attention_mask": torch.ones(4, 5)}).logits
    torch.testing.assert_close(alike[1:], alike[:1].expand(3, -1, -1))
    logits = tagger(**unknown).logits[:3, 0]
    assert (logits[0] - logits[1]).abs().max() > 1e-5 and (logits[1] - logits[2]).abs().max() > 1e-5


def test_the_default_sizes_are_the_papers() -> None:
    tagger = HBiLSTMCRFForTokenClassification(HBiLSTMCRFConfig(num_characters=80))
    encoder = tagger.sentence_encoder
    assert encoder.characters.bilstm.lstm.hidden_size == encoder.characters.embeddings.embedding_dim == 25
    assert encoder.bilstm.lstm.input_size == 100 + 2 * 25 and encoder.bilstm.lstm.hidden_size == 100
    assert tagger.projection.out_features == 100 and encoder.dropout.p == 0.5


def test_without_characters_it_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="character_ids are missing: let a WordLevelProcessor"):
        model()(**batch(characters=False))
