from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForTokenClassification

from hf_mlm.models.crf_tagger import CRFTaggerConfig, CRFTaggerForTokenClassification
from tests.models.common import ModelTests
from tests.models.crf_tagger.tiny import batch, config


class TestCRF(ModelTests):
    """The common model tests with a CRF."""

    model_class = CRFTaggerForTokenClassification
    auto_class = AutoModelForTokenClassification
    wrong_settings = [{"head": "hmm"}, {"dropout": 1.0}, {"num_labels": 3}, {"id2label": {0: "O", 2: "B-X"}}]
    distributed_settings = [{}, {"head": "softmax"}]

    def config(self, **settings: Any) -> CRFTaggerConfig:
        return config(**settings)

    def batch(self, rows: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
        return batch(rows, seed)


class TestSoftmax(TestCRF):
    """The common model tests with a softmax at each word."""

    def config(self, **settings: Any) -> CRFTaggerConfig:
        return config(**{"head": "softmax", **settings})

    test_two_processes_equal_one = None  # done above
