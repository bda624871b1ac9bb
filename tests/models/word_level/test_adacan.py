from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForTokenClassification, ResNetModel

from hf_mlm.models.word_level.adacan import AdaCANForTokenClassification
from hf_mlm.models.word_level.configuration import AdaCANConfig
from tests.models.common import Batch, ModelTests, assert_equal
from tests.models.two_mner.tiny import RESNETS, pictures
from tests.models.word_level.adacan_tiny import batch, config
from tests.models.word_level.common import TextTaggerTests, WordTaggerTests
from tests.models.word_level.tiny import batch as text_batch


class TestAdaCAN(WordTaggerTests):
    """The common tests with additive co-attention and a trained vision transformer."""

    model_class = AdaCANForTokenClassification
    auto_class = AutoModelForTokenClassification
    wrong_settings = [
        {"coattention": "bilinear"},
        {"character_widths": ()},
        {"character_widths": (0, 2)},
        {"character_filters": 0},
        {"character_dropout": 1.0},
        {"num_characters": 1},
        {"hidden_size": 7},
    ]
    distributed_settings = [{}, {"coattention": "concat"}]

    def config(self, **settings: Any) -> AdaCANConfig:
        return config(**settings)

    def batch(self, rows: int = 4, seed: int = 0) -> Batch:
        return batch(rows, seed)

    test_gradient_checkpointing_changes_nothing = ModelTests.test_gradient_checkpointing_changes_nothing


class TestConcat(TestAdaCAN):
    """The common tests with the published co-attention."""

    def config(self, **settings: Any) -> AdaCANConfig:
        return config(**{"coattention": "concat", **settings})

    test_two_processes_equal_one = None  # done above


class TestTextOnly(TextTaggerTests):
    """The common tests of the text-only form, CNN-BiLSTM-CRF."""

    model_class = AdaCANForTokenClassification
    auto_class = AutoModelForTokenClassification
    wrong_settings = [{"character_widths": (0,)}]

    def config(self, **settings: Any) -> AdaCANConfig:
        return config(**{"use_images": False, **settings})

    def batch(self, rows: int = 4, seed: int = 0) -> Batch:
        return text_batch(rows, seed)

    test_two_processes_equal_one = None  # done above


def model(**settings: Any) -> AdaCANForTokenClassification:
    torch.manual_seed(0)
    return AdaCANForTokenClassification(config(**settings)).eval()


def without(inputs: Batch, *names: str) -> Batch:
    return {name: values for name, values in inputs.items() if name not in names}


def attended(tagger: AdaCANForTokenClassification, inputs: Batch) -> torch.Tensor:
    """What each word sees of the image: (batch, words, hidden)."""
    seen: list[torch.Tensor] = []
    hook = tagger.coattention.visual_attention.register_forward_hook(lambda module, args, out: seen.append(out))
    tagger(**inputs)
    hook.remove()
    return seen[0]


def test_as_published_all_words_see_the_same_and_additively_each_its_own() -> None:
    inputs = without(batch(), "image_mask")
    published = attended(model(coattention="concat"), inputs)
    assert torch.equal(published, published[:, :1].expand_as(published))  # whatever the word
    other = {**inputs, "input_ids": inputs["input_ids"].roll(1, dims=1)}
    assert_equal(attended(model(coattention="concat"), other), published)  # and whatever the text
    additive = attended(model(), inputs)
    assert (additive - additive[:, :1]).abs().amax(dim=(0, 2))[1:].min() > 1e-5
    assert (attended(model(), other) - additive).abs().max() > 1e-5


@pytest.mark.parametrize("coattention", ["additive", "concat"])
@pytest.mark.parametrize("learnt", ["from the image", "without it"])
def test_what_the_image_alone_tells_is_learnt_from_it_and_not_without(coattention: str, learnt: str) -> None:
    """Eight times the same sentence, whose second word is a place where the image is bright and a group where not."""
    tagger = model(coattention=coattention, use_images=learnt == "from the image", image_encoder="convnext").train()
    bright = torch.arange(8) % 2 == 0
    inputs = {name: values[:1].repeat(8, *[1] * (values.dim() - 1)) for name, values in text_batch().items()}
    inputs["labels"] = torch.zeros_like(inputs["labels"])
    inputs["labels"][:, 1] = torch.where(bright, 3, 5)
    inputs["pixel_values"] = 0.1 * pictures(8) + torch.where(bright, 1.0, -1.0).view(-1, 1, 1, 1)
    optimizer = torch.optim.Adam(tagger.parameters(), lr=0.02)
    for _ in range(80):
        optimizer.zero_grad()
        tagger(**inputs).loss.backward()
        optimizer.step()
    right = (tagger.eval()(**inputs).predictions == inputs["labels"])[:, 1].float().mean()
    assert right == (1.0 if learnt == "from the image" else 0.5)


def test_a_sentence_without_an_image_is_as_if_there_were_none_in_its_batch() -> None:
    tagger, inputs = model(), without(batch(), "labels")
    alone = without(inputs, "pixel_values", "image_mask")
    logits = tagger(**inputs).logits
    torch.testing.assert_close(logits[1], tagger(**alone).logits[1])
    others = tagger(**inputs | {"pixel_values": pictures(4, seed=9)}).logits
    assert_equal(others[1], logits[1])
    assert (others[0] - logits[0]).abs().max() > 1e-6


def test_a_batch_without_images_has_gradients_all_the_same() -> None:
    tagger = model().train()
    tagger(**without(batch(), "pixel_values", "image_mask")).loss.backward()
    assert all(p.grad is not None for name, p in tagger.named_parameters() if "image_encoder" not in name)
    assert all((p.grad == 0).all() for p in tagger.coattention.parameters())


def test_each_image_is_encoded_once() -> None:
    tagger, inputs, index = model(), without(batch(), "image_mask"), torch.tensor([1, -1, 0, 1])
    once = tagger(**inputs | {"pixel_values": pictures(2), "image_index": index}).logits
    repeated = {"pixel_values": pictures(2)[index.clamp(min=0)], "image_mask": index >= 0}
    torch.testing.assert_close(once, tagger(**inputs | repeated).logits)
    with pytest.raises(ValueError, match="3 images for 4 sentences: pass image_index"):
        tagger(**inputs | {"pixel_values": pictures(3)})


def test_a_frozen_image_encoder_stays_as_it_is() -> None:
    tagger = model(image_encoder="resnet", freeze_image_encoder=True).train()
    before = {name: values.clone() for name, values in tagger.image_encoder.state_dict().items()}
    tagger(**batch()).loss.backward()
    assert_equal(tagger.image_encoder.state_dict(), before)  # running statistics of the batch norms included
    assert all(p.grad is None for p in tagger.image_encoder.parameters())
    assert AdaCANConfig().freeze_image_encoder


def test_the_text_only_form_has_nothing_of_images() -> None:
    twin = model(use_images=False)
    assert not any("image" in name or "coattention" in name for name in twin.state_dict())
    assert_equal(twin(**batch()), twin(**text_batch()))


def test_a_pretrained_image_encoder_keeps_its_weights(tmp_path: Path) -> None:
    encoder = ResNetModel(RESNETS["resnet"])
    encoder.save_pretrained(tmp_path / "resnet")
    sizes = {"vocab_size": 20, "num_characters": 12}
    tagger = AdaCANForTokenClassification.from_image_encoder_pretrained(tmp_path / "resnet", **sizes)
    assert_equal(tagger.image_encoder.state_dict(), encoder.state_dict())
    tagger.save_pretrained(tmp_path / "tagger")
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path / "tagger")
    assert_equal(loaded.state_dict(), tagger.state_dict())
    with pytest.raises(FileNotFoundError):
        AdaCANForTokenClassification.from_image_encoder_pretrained(tmp_path / "resnet152.pth", **sizes)
