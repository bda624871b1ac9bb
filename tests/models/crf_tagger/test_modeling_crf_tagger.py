from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForTokenClassification, BertForTokenClassification, BertModel, pipeline

from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from tests.models.common import Batch, ModelTests, assert_equal
from tests.models.crf_tagger.tiny import TEXT_ENCODER, batch, config
from tests.models.two_mner.tiny import wordpiece


class TestCRF(ModelTests):
    """The common model tests with a CRF."""

    model_class = CRFTaggerForTokenClassification
    auto_class = AutoModelForTokenClassification
    wrong_settings = [{"head": "hmm"}, {"dropout": 1.0}, {"num_labels": 3}, {"id2label": {0: "O", 2: "B-X"}}]
    distributed_settings = [{}, {"head": "softmax"}]

    def config(self, **settings: Any) -> CRFTaggerConfig:
        return config(**settings)

    def batch(self, rows: int = 4, seed: int = 0) -> Batch:
        return batch(rows, seed)


class TestSoftmax(TestCRF):
    """The common model tests with a softmax at each word."""

    wrong_settings = [{"dropout": 1.0}, {"id2label": {0: "O", 2: "B-X"}}]

    def config(self, **settings: Any) -> CRFTaggerConfig:
        return config(**{"head": "softmax", **settings})

    test_two_processes_equal_one = None  # done above


def model(**settings: Any) -> CRFTaggerForTokenClassification:
    torch.manual_seed(0)
    return CRFTaggerForTokenClassification(config(**settings)).eval()


def test_a_softmax_on_bert_is_bert_for_token_classification() -> None:
    theirs = BertForTokenClassification(type(TEXT_ENCODER)(**TEXT_ENCODER.to_dict() | {"num_labels": 9})).eval()
    ours, inputs = model(head="softmax"), batch()
    ours.text_encoder.load_state_dict(theirs.bert.state_dict())
    ours.head.classifier.load_state_dict(theirs.classifier.state_dict())
    outputs = ours(**inputs)
    expected = theirs(**{name: inputs[name] for name in ("input_ids", "attention_mask", "labels")})
    torch.testing.assert_close(outputs.logits, expected.logits)
    words = (inputs["labels"] != -100).sum()
    torch.testing.assert_close(outputs.loss * 4 / words, expected.loss)  # theirs is the mean over words
    assert torch.equal(outputs.predictions, expected.logits.argmax(-1).where(inputs["labels"] != -100, -100))


def test_a_crf_without_transitions_is_a_softmax() -> None:
    crf, softmax = model(constrained_decoding=False), model(head="softmax")
    softmax.load_state_dict(crf.state_dict(), strict=False)
    for parameter in crf.head.crf.parameters():
        torch.nn.init.zeros_(parameter)
    ours, theirs = crf(**batch()), softmax(**batch())
    torch.testing.assert_close(ours.loss, theirs.loss)
    assert_equal(ours.predictions, theirs.predictions)


def test_words_are_where_word_ids_change_or_else_where_labels_are() -> None:
    tagger, inputs = model(), batch()
    expected = tagger(**inputs)
    for name in ("word_ids", "labels"):
        rest = {key: values for key, values in inputs.items() if key != name}
        assert_equal(tagger(**rest).predictions, expected.predictions)
    assert tagger(input_ids=inputs["input_ids"]).predictions is None
    assert tagger.train()(**inputs).predictions is None


def test_a_frozen_encoder_gets_no_gradients_and_no_dropout() -> None:
    tagger = model(freeze_text_encoder=True).train()
    tagger(**batch()).loss.backward()
    assert not tagger.text_encoder.training and tagger.head.training
    assert all(p.grad is None for p in tagger.text_encoder.parameters())
    assert all(p.grad is not None for p in tagger.head.parameters())


@pytest.fixture
def encoder_folder(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    BertModel(TEXT_ENCODER).save_pretrained(tmp_path / "encoder")
    wordpiece(tmp_path).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


def test_a_pretrained_encoder_keeps_its_weights(encoder_folder: Path, tmp_path: Path) -> None:
    tagger = CRFTaggerForTokenClassification.from_encoder_pretrained(encoder_folder, head="softmax", num_labels=5)
    expected = BertModel.from_pretrained(encoder_folder, add_pooling_layer=False).state_dict()
    assert_equal(tagger.text_encoder.state_dict(), expected)
    tagger.save_pretrained(tmp_path / "tagger")
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path / "tagger")
    assert_equal(loaded.state_dict(), tagger.state_dict())


def test_other_labels_can_be_put_on_a_trained_model(tmp_path: Path) -> None:
    model().save_pretrained(tmp_path)
    labels = {"id2label": {0: "O", 1: "B-X", 2: "I-X"}, "ignore_mismatched_sizes": True}
    tagger = CRFTaggerForTokenClassification.from_pretrained(tmp_path, **labels)
    assert tagger(input_ids=batch()["input_ids"]).logits.shape == (4, 8, 3)
    assert tagger.head.crf.transitions.abs().max() <= 0.1 and tagger.config.label_names == ["O", "B-X", "I-X"]


@pytest.mark.parametrize("head", ["crf", "softmax"])
def test_the_plain_pipeline_opens_it(head: str, encoder_folder: Path, tmp_path: Path) -> None:
    """Its "first" strategy gives each word the scores at its first sub-token, which are those that were trained."""
    torch.manual_seed(0)
    tagger = CRFTaggerForTokenClassification.from_encoder_pretrained(encoder_folder, head=head).eval()
    with torch.no_grad():
        tagger.head.classifier.weight.mul_(30)
    tagger.save_pretrained(tmp_path / "tagger")
    wordpiece(tmp_path).save_pretrained(tmp_path / "tagger")
    pipe = pipeline("token-classification", model=str(tmp_path / "tagger"), aggregation_strategy="first")
    text = "parisian, unbelievable river"
    inputs = pipe.tokenizer(text, return_tensors="pt")
    scores = tagger(**inputs).logits[0].softmax(-1)
    starts = {"parisian": 1, ",": 3, "unbelievable": 4, "river": 7}
    labels = {word: tagger.config.id2label[int(scores[at].argmax())] for word, at in starts.items()}
    found = pipe(text)
    assert [entity["entity_group"] for entity in found][0] == next(v[2:] for v in labels.values() if v != "O")
    assert all(text[entity["start"] : entity["end"]] for entity in found) and found
