"""The tests that every word-level tagger has to pass beside `ModelTests`."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from hf_mlm.models.word_level.modeling import WordTaggerPreTrainedModel
from tests.models.common import Batch, ModelTests
from tests.models.word_level.tiny import SENTENCES, TAGS, processor


class WordTaggerTests(ModelTests):
    """Inherit as `ModelTests`; the batch is that of `tests.models.word_level.tiny`."""

    def test_padding_and_neighbours_change_nothing(self) -> None:
        model, inputs = self.model(), self.batch()
        together = model(**inputs)
        for row, length in enumerate(inputs["attention_mask"].sum(dim=1).tolist()):
            alone = {name: _cut(name, values[row : row + 1], length) for name, values in inputs.items()}
            torch.testing.assert_close(model(**alone).logits, together.logits[row : row + 1, :length])
        wider = {name: _widen(name, values) for name, values in inputs.items()}
        torch.testing.assert_close(model(**wider).logits[:, :5], together.logits)
        torch.testing.assert_close(model(**wider).loss, together.loss)

    def test_what_stands_in_the_padding_does_not_count(self) -> None:
        model, inputs = self.model(), self.batch()
        outside = inputs["attention_mask"] == 0
        other = inputs | {"input_ids": inputs["input_ids"].masked_fill(outside, 7)}
        torch.testing.assert_close(model(**other).logits, model(**inputs).logits)

    def test_both_ends_of_a_sentence_tell_on_the_other(self) -> None:
        model, inputs = self.model(), self.batch()
        ids = inputs["input_ids"][:1]
        for end, far in ((0, 4), (4, 0)):
            changed = ids.clone()
            changed[0, end] = (ids[0, end] - 1) % 18 + 2
            logits = [model(**_first(inputs) | {"input_ids": values}).logits[0, far] for values in (ids, changed)]
            assert not torch.allclose(*logits, rtol=0, atol=1e-7)

    def test_nothing_to_read_is_no_nan(self) -> None:
        model, inputs = self.model().train(), self.batch()
        for name, filler in (("attention_mask", 0), ("input_ids", 0), ("word_ids", -1), ("labels", -100)):
            inputs[name] = torch.full_like(inputs[name], filler)
        inputs |= {"character_ids": inputs["character_ids"] * 0} if "character_ids" in inputs else {}
        outputs = model(**inputs)
        outputs.loss.backward()
        assert outputs.loss == 0
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
        assert (model.eval()(**inputs).predictions == -100).all()

    def test_a_handful_of_sentences_is_learnt_by_heart(self) -> None:
        tiny = processor()
        model = self.model(**tiny.vocabulary.settings()).train()
        inputs = dict(tiny(SENTENCES, labels=TAGS))
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)
        for _ in range(60):
            optimizer.zero_grad()
            model(**inputs).loss.backward()
            optimizer.step()
        assert torch.equal(model.eval()(**inputs).predictions, inputs["labels"])

    def test_singletons_are_read_as_unknown_in_training_alone(self) -> None:
        model: WordTaggerPreTrainedModel = self.model(singletons=(4, 6), singleton_dropout=1.0)
        words, table = model.sentence_encoder.words, model.get_input_embeddings().weight
        ids = torch.tensor([[3, 4, 5, 6]])
        assert torch.equal(words.eval()(ids), table[ids])
        assert torch.equal(words.train()(ids), table[torch.tensor([[3, 1, 1, 6]])])
        half = self.model(singletons=(4, 6)).sentence_encoder.words.train()(torch.full((1, 4000), 5))
        assert (half == table[1]).all(dim=-1).float().mean().item() == pytest.approx(0.5, abs=0.05)

    def test_frozen_word_vectors_get_no_gradient(self) -> None:
        model = self.model(freeze_word_embeddings=True).train()
        model(**self.batch()).loss.backward()
        assert [name for name, p in model.named_parameters() if p.grad is None] == [
            "sentence_encoder.words.table.weight"
        ]

    def test_words_added_to_the_vocabulary_keep_the_others(self) -> None:
        model = self.model()
        before = model.get_input_embeddings().weight.clone()
        model.resize_token_embeddings(25)
        assert model.config.vocab_size == 25
        assert torch.equal(model.get_input_embeddings().weight[:20], before)

    test_gradient_checkpointing_changes_nothing = None  # an LSTM is one layer


class TextTaggerTests(WordTaggerTests):
    """For those without encoders that attend."""

    test_attention_implementations_agree = None


def _first(inputs: Batch) -> Batch:
    return {name: values[:1] for name, values in inputs.items()}


def _cut(name: str, values: torch.Tensor, length: int) -> torch.Tensor:
    return values[:, :length] if values.dim() in (2, 3) and name != "pixel_values" else values


def _widen(name: str, values: torch.Tensor) -> torch.Tensor:
    """Three words and two characters of padding."""
    fillers = {"word_ids": -1, "labels": -100}
    if name == "character_ids":
        return functional.pad(values, (0, 2, 0, 3))
    return functional.pad(values, (0, 3), value=fillers.get(name, 0)) if values.dim() == 2 else values
