"""The tests that every tagger with one text encoder and one image encoder has to pass, besides the common ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from transformers import AutoModel, AutoModelForTokenClassification

from tests.models.common import Batch, ModelTests, assert_equal
from tests.models.crf_tagger.tiny import batch as text_batch
from tests.models.two_mner.tiny import pictures


class ImageTaggerTests(ModelTests):
    """Inherit, set ``model_class`` and define ``config``."""

    auto_class = AutoModelForTokenClassification
    distributed_settings: ClassVar[list[dict[str, Any]]] = [{}, {"use_images": False}]

    def batch(self, rows: int = 4, seed: int = 0) -> Batch:
        """Sentences, each with a row of pixels, which the second one's mask hides."""
        mask = torch.ones(rows, dtype=torch.bool)
        mask[1] = False
        return {**text_batch(rows, seed), **self.images(rows, seed), "image_mask": mask}

    def images(self, count: int, seed: int = 0) -> Batch:
        """Random pixels."""
        return {"pixel_values": pictures(count, seed)}

    def image_names(self) -> list[str]:
        return [*self.images(1), "image_mask"]

    def test_a_handful_of_sentences_is_learnt_by_heart(self) -> None:
        inputs = self.batch()
        for use_images in (True, False):
            model = self.model(use_images=use_images, constrained_decoding=False)
            assert torch.equal(fit(model, inputs, loss=0.2)(**inputs).predictions, inputs["labels"])

    def test_what_the_image_alone_tells_is_learnt_from_it_and_not_without(self) -> None:
        bright = torch.arange(8) % 2 == 0
        inputs = {name: values[:1].repeat(8, 1) for name, values in text_batch().items()}
        inputs["labels"] = torch.where(inputs["labels"] >= 0, 0, -100)
        inputs["labels"][:, 2] = torch.where(bright, 3, 5)
        for use_images in (True, False):
            images = self.images(8)
            pixels = images["pixel_values"]
            sign = torch.where(bright, 1.0, -1.0).view(-1, *[1] * (pixels.dim() - 1))
            images["pixel_values"] = 0.1 * pixels + sign
            model = fit(self.model(use_images=use_images), inputs | images, loss=0.3 if use_images else 1.0)
            right = (model(**inputs | images).predictions == inputs["labels"])[:, 2].float().mean()
            assert right == (1.0 if use_images else 0.5)

    def test_padding_and_other_rows_change_nothing(self) -> None:
        model, inputs = self.model(), without(self.batch(), "labels")
        logits = model(**inputs).logits
        texts = {"input_ids": 9, "attention_mask": 0, "word_ids": -1}
        padded = {name: torch.nn.functional.pad(inputs[name], (0, 3), value=value) for name, value in texts.items()}
        torch.testing.assert_close(model(**inputs | padded).logits[:, :8], logits)
        inside = inputs["attention_mask"][3].bool()
        for row in (0, 3):
            alone = {name: values[row : row + 1] for name, values in inputs.items()}
            ours, theirs = (values[inside] for values in (model(**alone).logits[0], logits[row]))
            torch.testing.assert_close(ours, theirs)

    def test_a_sentence_without_an_image_is_as_if_there_were_none_in_its_batch(self) -> None:
        model, inputs = self.model(), without(self.batch(), "labels")
        texts = without(inputs, *self.image_names())
        logits = model(**inputs).logits
        torch.testing.assert_close(logits[1:2], model(**{name: values[1:2] for name, values in texts.items()}).logits)
        others = model(**inputs | self.images(4, seed=9)).logits
        assert_equal(others[1], logits[1])
        assert (others[0] - logits[0]).abs().max() > 1e-6

    def test_repeated_images_are_seen_once_and_change_nothing(self) -> None:
        model, inputs = self.model(), without(self.batch(), "labels", *self.image_names())
        index, images = torch.tensor([1, -1, 0, 1]), self.images(2)
        seen = []
        embedding = next(m for m in model.image_encoder.modules() if isinstance(m, torch.nn.Conv2d))
        hook = embedding.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
        short = model(**inputs, **images, image_index=index)
        hook.remove()
        repeated = {name: values[index.clamp(min=0)] for name, values in images.items()}
        torch.testing.assert_close(short.logits, model(**inputs, **repeated, image_mask=index >= 0).logits)
        assert seen == [int(images["region_mask"].sum()) if "region_mask" in images else 2]

    def test_a_batch_without_any_image_trains_the_rest(self) -> None:
        model, inputs = self.model().train(), self.batch()
        outputs = model(**without(inputs, *self.image_names()))
        outputs["loss"].backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
        hidden = model(**inputs | {"image_mask": torch.zeros(4, dtype=torch.bool)})
        torch.testing.assert_close(hidden["loss"], outputs["loss"])
        none = {name: values[:0] for name, values in self.images(1).items()}
        torch.testing.assert_close(model(**without(inputs, "image_mask") | none)["loss"], outputs["loss"])

    def test_the_text_only_form_reads_no_images(self) -> None:
        model, inputs = self.model(use_images=False), self.batch()
        assert model.image_encoder is None and model.config.image_encoder_config is None
        assert_equal(model(**inputs), model(**without(inputs, *self.image_names())))
        model.train()(**inputs)["loss"].backward()
        assert all(p.grad is not None for p in model.parameters())

    def test_images_that_match_no_sentences_get_a_sentence(self) -> None:
        with pytest.raises(ValueError, match="3 images for 4 sentences: pass image_index"):
            self.model()(**self.batch() | self.images(3))

    def test_frozen_encoders_stay_as_they_are_each_by_its_own_switch(self) -> None:
        for name in ("text_encoder", "image_encoder"):
            model = self.model(**{f"freeze_{name}": True}).train()
            model(**self.batch())["loss"].backward()
            frozen, other = model.text_encoder, model.image_encoder
            if name == "image_encoder":
                frozen, other = other, frozen
            assert not frozen.training and other.training
            assert all(p.grad is None for p in frozen.parameters())
            assert all(p.grad is not None for p in other.parameters())

    def test_pretrained_encoders_keep_their_weights(self, tmp_path: Path) -> None:
        torch.manual_seed(1)
        config, sources = self.config(), {}
        for name, part in (("text", config.text_encoder_config), ("image", config.image_encoder_config)):
            encoder = AutoModel.from_config(part)
            encoder.save_pretrained(tmp_path / name)
            sources[name] = encoder.state_dict()
        own = self.own_settings()
        model = self.model_class.from_encoders_pretrained(tmp_path / "text", tmp_path / "image", **own)
        for name, encoder in (("text", model.text_encoder), ("image", model.image_encoder)):
            ours = encoder.state_dict()
            assert ours and all(torch.equal(sources[name][key], value) for key, value in ours.items())
        model.save_pretrained(tmp_path / "tagger")
        loaded = AutoModelForTokenClassification.from_pretrained(tmp_path / "tagger")
        assert_equal(loaded.state_dict(), model.state_dict())
        textual = self.model_class.from_encoders_pretrained(tmp_path / "text", **own)
        assert textual.image_encoder is None and not textual.config.use_images

    def own_settings(self) -> dict[str, Any]:
        """The settings, besides the encoders, that make the model fit the tiny ones."""
        raise NotImplementedError


def fit(model: Any, inputs: Batch, loss: float) -> Any:
    """Train by Adam on one batch until the loss is as low, or for long enough, and give the model back."""
    optimizer = torch.optim.Adam(model.train().parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        now = model(**inputs)["loss"]
        now.backward()
        optimizer.step()
        if now.item() < loss:
            break
    return model.eval()


def without(inputs: Batch, *names: str) -> Batch:
    return {name: values for name, values in inputs.items() if name not in names}
