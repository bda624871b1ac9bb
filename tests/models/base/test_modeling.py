"""The tail of all taggers against its parts."""

from __future__ import annotations

import torch

import hf_mlm
from hf_mlm.models.base.modeling import TaggerOutput
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from tests.models.crf_tagger.tiny import config


def test_loss_and_predictions_are_the_heads() -> None:
    torch.manual_seed(0)
    tagger = CRFTaggerForTokenClassification(config()).eval()
    logits = torch.randn(2, 4, 9)
    word_ids = torch.tensor([[-1, 0, 0, 1], [0, 1, -1, -1]])
    labels = torch.tensor([[-100, 1, -100, 2], [0, -100, -100, -100]])
    starts = torch.tensor([[False, True, False, True], [True, True, False, False]])
    finished = tagger._finish(logits, word_ids, labels)
    assert type(finished) is TaggerOutput and list(finished) == ["loss", "logits", "predictions"]
    assert torch.equal(finished.loss, tagger.head.loss(logits, labels)) and finished.logits is logits
    assert torch.equal(finished.predictions, tagger.head.decode(logits, starts))
    by_labels = tagger._finish(logits, None, labels)
    assert torch.equal(by_labels.predictions, tagger.head.decode(logits, labels != -100))
    everywhere = tagger._finish(logits, None, None, torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]))
    assert list(everywhere) == ["logits", "predictions"] and (everywhere.predictions >= 0).sum(1).tolist() == [4, 2]
    assert tagger.train()._finish(logits, word_ids, labels).predictions is None


def test_the_public_name_stays() -> None:
    assert hf_mlm.CRFTaggerOutput is TaggerOutput
