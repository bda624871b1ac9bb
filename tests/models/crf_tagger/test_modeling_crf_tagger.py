from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForTokenClassification, BertForTokenClassification, BertModel, Trainer

from hf_mlm.models.base.encoders import load_encoder
from hf_mlm.models.base.modeling import INPUTS
from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from tests.models.common import Batch, ModelTests, arguments, assert_equal
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
    plain = tagger(inputs["input_ids"], inputs["attention_mask"]).predictions
    assert torch.equal(plain >= 0, inputs["attention_mask"].bool())
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


def test_other_labels_are_numbered_saved_and_opened(tmp_path: Path) -> None:
    model().save_pretrained(tmp_path / "first")
    names = {0: "O", 1: "B-CITY", 2: "I-CITY"}
    settings: dict[str, Any] = {"id2label": names, "ignore_mismatched_sizes": True}
    other = AutoModelForTokenClassification.from_pretrained(tmp_path / "first", **settings)
    assert other.config.label2id == {"O": 0, "B-CITY": 1, "I-CITY": 2}
    other.save_pretrained(tmp_path / "second")
    again = AutoModelForTokenClassification.from_pretrained(tmp_path / "second")
    assert again.config.label_names == ["O", "B-CITY", "I-CITY"] and again.head.crf.num_tags == 3
    assert_equal(again.eval()(**labelled(2)), other.eval()(**labelled(2)))


def labelled(most: int) -> Batch:
    """A batch whose labels are at most so large."""
    inputs = batch()
    return {**inputs, "labels": inputs["labels"].clamp(max=most)}


def test_the_encoder_inside_a_tagger_can_be_taken(tmp_path: Path) -> None:
    tagger = model()
    tagger.save_pretrained(tmp_path)
    again = CRFTaggerForTokenClassification.from_encoder_pretrained(tmp_path, num_labels=5, constrained_decoding=False)
    assert_equal(again.text_encoder.state_dict(), tagger.text_encoder.state_dict())
    with pytest.raises(ValueError, match="Expected one image encoder in the 'crf_tagger' model of .*, found 0"):
        load_encoder(tmp_path, "vision_config")


def trainer(folder: Path, head: str, **settings: Any) -> Trainer:
    rows = [dict(zip(batch(8), row, strict=True)) for row in zip(*batch(8).values(), strict=True)]
    return Trainer(model(head=head), arguments(folder, max_steps=1, **settings), train_dataset=rows)


def test_label_smoothing_is_for_a_softmax_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected labels to train a CRF on, found none: .*label_smoothing_factor"):
        trainer(tmp_path, "crf", label_smoothing_factor=0.1).train()
    smoothed = trainer(tmp_path, "softmax", label_smoothing_factor=0.1)
    logits, labels = (model(head="softmax").train()(**batch(8)).logits, batch(8)["labels"])
    expected = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), label_smoothing=0.1)
    assert smoothed.train().training_loss == pytest.approx(expected.item(), rel=1e-5)


def test_a_trace_is_refused() -> None:
    inputs = batch()
    with pytest.raises(RuntimeError, match="torch.jit.trace would keep .*: use hf-mlm export, or torch.export"):
        torch.jit.trace(model(), (inputs["input_ids"], inputs["attention_mask"]), strict=False)


def test_what_a_tagger_does_not_take_is_named() -> None:
    tagger, inputs = model(), batch()
    assert_equal(tagger(**inputs, inputs_embeds=None, output_attentions=False), tagger(**inputs))
    with pytest.raises(ValueError, match="CRFTaggerForTokenClassification takes no inputs_embeds: leave it out"):
        tagger(**inputs, inputs_embeds=torch.zeros(4, 8, 8))


def test_peft_adapts_a_tagger() -> None:
    peft = pytest.importorskip("peft")
    lora = peft.LoraConfig(target_modules=["query", "value"], task_type="TOKEN_CLS", modules_to_save=["head"])
    tagger, inputs = peft.get_peft_model(model(), lora), batch()
    assert torch.equal(tagger.eval()(**inputs).predictions, model()(**inputs).predictions)
    tagger.train()(**inputs).loss.backward()
    learning = {name for name, parameter in tagger.named_parameters() if parameter.grad is not None}
    assert any("crf.transitions" in name for name in learning) and any("lora_B" in name for name in learning)
    assert not any("embeddings" in name for name in learning)


def test_the_inputs_are_documented_once_for_all() -> None:
    documentation = str(CRFTaggerForTokenClassification.forward.__doc__)
    assert all(f"    {name}: {INPUTS[name]}" in documentation for name in ("input_ids", "word_ids", "labels"))
    assert "pixel_values" not in documentation
