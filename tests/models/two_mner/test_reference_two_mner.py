"""Each published behaviour against its formula, by itself and all together."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from tests.models.common import Batch
from tests.models.two_mner.published import spell_out
from tests.models.two_mner.tiny import batch, config


LABELS = {"id2label": {0: "O", 1: "B-X", 2: "I-X"}}
FLAGS: dict[str, dict[str, Any]] = {
    "shifted words": {"word_pooling": "previous"},
    "tied query and key": {"tie_query_key": True},
    "pooled ResNet vector": {"resnet_tokens": "pooled"},
    "no feed-forward layer": {"collaboration_ffn": False},
    "flattened alignment head": {"alignment_vit_pooling": "flatten"},
    "text pooler": {"alignment_text_pooling": "pooler"},
    "fusion projection": {"fusion_size": 8},
    "loss times 2": {"loss_scale": 2},
}
OTHERS: dict[str, dict[str, Any]] = {
    "the paper": {},
    "mean of sub-tokens": {"word_pooling": "mean"},
    "last sub-token": {"word_pooling": "last"},
    "first token as sentence": {"alignment_text_pooling": "cls"},
    "other pixels for the ResNet": {"resnet_pixel_scale": [2, 0.5, 1.5], "resnet_pixel_shift": [0, 1, -1]},
    "the ViT alone": {"image_branches": ["vit"]},
    "text alone": {"image_branches": []},
    "hot": {"temperature": 2.0},
}


def model(tagger_config: TwoMNERConfig) -> TwoMNERForTokenClassification:
    """With weights large enough for every part to matter."""
    torch.manual_seed(0)
    ner = TwoMNERForTokenClassification(tagger_config).eval()
    with torch.no_grad():
        for name, parameter in ner.named_parameters():
            if not name.startswith(("text_encoder", "image_encoders")):
                parameter.add_(0.3 * torch.randn_like(parameter))
    return ner


def inputs() -> Batch:
    """Three labels, and an image for every sentence."""
    sentences = {name: values for name, values in batch().items() if name != "image_mask"}
    return sentences | {"labels": torch.where(sentences["labels"] >= 0, sentences["labels"] % 3, -100)}


def assert_spelled_out(ner: TwoMNERForTokenClassification) -> None:
    outputs = ner(**inputs())
    scores, alignment, loss = spell_out(ner, inputs())
    starts = inputs()["labels"] != -100
    torch.testing.assert_close(outputs.logits[starts], torch.cat(scores), rtol=1e-4, atol=1e-5)
    if ner.config.image_branches:
        torch.testing.assert_close(outputs.alignment_losses, alignment, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outputs.loss, loss, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*OTHERS, *FLAGS])
def test_each_setting_computes_its_formula(name: str) -> None:
    assert_spelled_out(model(config(**LABELS, **(FLAGS | OTHERS)[name])))


def test_all_published_behaviours_together_compute_theirs() -> None:
    plain = config().to_dict()
    encoders = {name: plain[name] for name in ("text_encoder_config", "vit_config", "resnet_config")}
    published = TwoMNERConfig.reference(**encoders, **LABELS, collaboration_heads=2, fusion_size=8, dropout=0.0)
    assert_spelled_out(model(published))
    for flag in FLAGS.values():
        assert all(getattr(published, name) == value for name, value in flag.items())
    assert not published.constrained_decoding and published.frozen_batch_norm == "train"
    assert TwoMNERConfig.reference(image_branches=()).fusion_size == 768


@pytest.mark.parametrize("name", FLAGS)
def test_each_flag_changes_something(name: str) -> None:
    plain, flagged = model(config(**LABELS)), model(config(**LABELS, **FLAGS[name]))
    missing, unexpected = flagged.load_state_dict(
        {
            k: v
            for k, v in plain.state_dict().items()
            if k not in flagged.state_dict() or v.shape == flagged.state_dict()[k].shape
        },
        strict=False,
    )
    assert missing or unexpected or (plain(**inputs()).loss - flagged(**inputs()).loss).abs() > 1e-6


def test_a_pooled_resnet_leaves_attention_nothing_to_choose() -> None:
    ner = model(config(**LABELS, resnet_tokens="pooled", image_branches=["resnet"]))
    ner(**inputs()).loss.backward()
    block = ner.collaboration.blocks["resnet"]
    assert block.query.weight.grad.abs().max() < 1e-7 and block.key.weight.grad.abs().max() < 1e-7
    assert block.value.weight.grad.abs().max() > 1e-5


def test_text_alone_is_trained_on_eight_fifths_of_its_loss_as_published() -> None:
    text = config().to_dict()["text_encoder_config"]
    outputs = model(TwoMNERConfig.reference(text_encoder_config=text, image_branches=(), **LABELS))(**inputs())
    torch.testing.assert_close(outputs.loss, 1.6 * outputs.crf_loss)


@pytest.mark.parametrize("constrained", [True, False])
def test_only_constrained_decoding_keeps_to_iob2(constrained: bool) -> None:
    ner = model(config(**LABELS, constrained_decoding=constrained))
    with torch.no_grad():
        ner.head.classifier.bias.copy_(torch.tensor([0.0, 0.0, 50.0]))  # I-X everywhere
    first = ner(**inputs()).predictions[:, 1]
    assert first.tolist() == ([1] * 4 if constrained else [2] * 4)


@pytest.mark.parametrize("norm", ["eval", "train"])
def test_a_frozen_resnets_norms_drift_only_as_published(norm: str) -> None:
    ner = model(config(**LABELS, frozen_batch_norm=norm, image_branches=["resnet"])).train()
    resnet = ner.image_encoders["resnet"]
    before = {name: value.clone() for name, value in resnet.state_dict().items()}
    ner(**inputs())
    assert not any(p.requires_grad for p in resnet.parameters())
    moved = [name for name, value in resnet.state_dict().items() if not torch.equal(value, before[name])]
    assert bool(moved) == (norm == "train")
    alone, together = resnet(inputs()["pixel_values"][:1]).vector, resnet(inputs()["pixel_values"]).vector[:1]
    assert torch.allclose(alone, together, atol=1e-5) == (norm == "eval")
    assert not any(module.training for module in ner.eval().modules())
