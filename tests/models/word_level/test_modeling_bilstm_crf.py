from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForTokenClassification

from hf_mlm.models.word_level.configuration import BiLSTMCRFConfig
from hf_mlm.models.word_level.modeling import BiLSTMCRFForTokenClassification
from tests.models.common import Batch
from tests.models.word_level.common import TextTaggerTests
from tests.models.word_level.tiny import SIZES, batch


class TestBiLSTMCRF(TextTaggerTests):
    """The common tests of models and of word-level taggers."""

    model_class = BiLSTMCRFForTokenClassification
    auto_class = AutoModelForTokenClassification
    wrong_settings = [
        {"vocab_size": 1},
        {"num_characters": 1},
        {"singletons": (1, 3)},
        {"singletons": (4, 3)},
        {"singletons": (4,)},
        {"word_embedding_size": 0},
        {"hidden_size": 7},
        {"input_dropout": 1.0},
        {"singleton_dropout": 1.5},
        {"num_labels": 3},
    ]

    def config(self, **settings: Any) -> BiLSTMCRFConfig:
        return BiLSTMCRFConfig(**{**SIZES, **settings})

    def batch(self, rows: int = 4, seed: int = 0) -> Batch:
        return batch(rows, seed, characters=False)


def test_it_is_an_lstm_in_each_direction_and_a_linear_layer() -> None:
    """Each direction spelled out, word by word, over the words of a padded row (Huang et al. 2015, Section 2.2)."""
    torch.manual_seed(0)
    model, inputs = BiLSTMCRFForTokenClassification(BiLSTMCRFConfig(**SIZES)).eval(), batch(characters=False)
    lstm = model.sentence_encoder.bilstm.lstm
    vectors = model.get_input_embeddings().weight[inputs["input_ids"][-1, :2]]
    forward, backward = [], []
    for states, order, suffix in ((forward, (0, 1), ""), (backward, (1, 0), "_reverse")):
        cell = torch.nn.LSTMCell(6, 4)
        cell.load_state_dict({name: getattr(lstm, f"{name}_l0{suffix}") for name in cell.state_dict()})
        state = None
        for word in order:
            state = cell(vectors[word], state)
            states.append(state[0])
    hidden = torch.stack([torch.cat([forward[0], backward[1]]), torch.cat([forward[1], backward[0]])])
    torch.testing.assert_close(model(**inputs).logits[-1, :2], model.head.classifier(hidden))


def test_characters_are_left_aside() -> None:
    model = BiLSTMCRFForTokenClassification(BiLSTMCRFConfig(**SIZES)).eval()
    assert torch.equal(model(**batch()).logits, model(**batch(characters=False)).logits)
