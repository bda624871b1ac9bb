from __future__ import annotations

from typing import Any

import pytest
import torch

from hf_mlm.data.mmnerd.schemes import TAGS
from hf_mlm.models.umt.configuration_umt import UMTConfig
from hf_mlm.models.umt.modeling_umt import UMTForTokenClassification, conversion_matrix, span_labels
from tests.models.crf_tagger.tiny import TEXT_ENCODER
from tests.models.image_taggers import ImageTaggerTests, without
from tests.models.two_mner.tiny import RESNETS, VITS, pictures


def test_the_published_matrix_of_four_types() -> None:
    assert conversion_matrix(TAGS) == [
        [1, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0.25, 0, 0.25, 0, 0.25, 0, 0.25, 0],
        [0, 0, 0.25, 0, 0.25, 0, 0.25, 0, 0.25],
    ]


def test_labels_that_a_model_lacks_get_no_share() -> None:
    assert conversion_matrix(["B-X", "O"]) == [[0, 1], [1, 0], [0, 0]]


def test_spans_in_any_order_of_labels() -> None:
    labels = torch.tensor([[3, 0, -100], [1, 2, 3]])
    assert span_labels(labels, ["I-X", "O", "B-Y", "B-X"]).tolist() == [[1, 2, -100], [0, 1, 1]]


def config(image: Any = VITS["vit"], **settings: Any) -> UMTConfig:
    encoders = {"text_encoder_config": TEXT_ENCODER.to_dict(), "image_encoder_config": image.to_dict()}
    return UMTConfig(**{**encoders, "dropout": 0.0, "num_heads": 2, "freeze_image_encoder": False, **settings})


class TestUMT(ImageTaggerTests):
    """The common tests with an image encoder that is trained."""

    model_class = UMTForTokenClassification
    wrong_settings = [
        {"span_emission_weight": 1},
        {"span_loss_weight": -1},
        {"num_heads": 0},
        {"use_images": "no"},
        {"id2label": {0: "PER"}, "constrained_decoding": False},
    ]

    def config(self, **settings: Any) -> UMTConfig:
        return config(**settings)

    def own_settings(self) -> dict[str, Any]:
        return {"num_heads": 2}


def model(**settings: Any) -> UMTForTokenClassification:
    torch.manual_seed(0)
    return UMTForTokenClassification(config(**settings)).eval()


def test_the_scores_of_a_span_tag_are_shared_among_its_labels() -> None:
    tagger, inputs = model(), TestUMT().batch()
    spans = []
    tagger.span_head.register_forward_hook(lambda module, args, output: spans.append(output))
    for parameter in tagger.head.classifier.parameters():
        torch.nn.init.zeros_(parameter)
    logits = tagger(**inputs).logits
    for label, name in tagger.config.id2label.items():
        share, tag = {"O": (1, 0), "B": (0.25, 1), "I": (0.25, 2)}[name[0]]
        torch.testing.assert_close(logits[..., label], 0.5 * share * spans[0][..., tag])


def test_without_the_spans_scores_the_words_decide_alone() -> None:
    tagger, inputs = model(span_emission_weight=0), TestUMT().batch()
    mains = []
    tagger.head.classifier.register_forward_hook(lambda module, args, output: mains.append(output))
    torch.testing.assert_close(tagger(**inputs).logits, mains[0])


def test_the_auxiliary_loss_knows_neither_types_nor_images() -> None:
    tagger, inputs = model(span_loss_weight=0.3), TestUMT().batch()
    outputs = tagger(**inputs)
    torch.testing.assert_close(outputs.loss, outputs.crf_loss + 0.3 * outputs.span_loss)
    labels = inputs["labels"]
    other_types = torch.where(labels > 0, (labels + 1) % 8 + 1, labels)  # B-X to B-Y and I-X to I-Y
    other = tagger(**inputs | {"labels": other_types, "pixel_values": pictures(4, seed=5)})
    torch.testing.assert_close(other.span_loss, outputs.span_loss)
    assert (other.crf_loss - outputs.crf_loss).abs() > 1e-4
    spans = torch.where(labels > 0, (labels - 1) % 2 + 1, labels)
    torch.testing.assert_close(tagger.span_head.loss(_span_logits(tagger, inputs), spans), outputs.span_loss)


def _span_logits(tagger: UMTForTokenClassification, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    spans = []
    hook = tagger.span_head.register_forward_hook(lambda module, args, output: spans.append(output))
    tagger(**inputs)
    hook.remove()
    return spans[0]


@pytest.mark.parametrize(("bias", "share"), [(-40.0, 0.0), (0.0, 0.5), (40.0, 1.0)])
def test_the_gate_lets_through_as_much_of_the_image_as_it_is_open(bias: float, share: float) -> None:
    interaction = model().interaction
    torch.nn.init.zeros_(interaction.gate.weight)
    torch.nn.init.constant_(interaction.gate.bias, bias)
    words, images = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    joined = interaction(words, None, images, torch.tensor([0, 1]))
    visuals = interaction.visuals(words, interaction.image_keys(images))
    torch.testing.assert_close(joined[..., 8:], share * visuals)
    assert (joined[..., :8] - words).abs().max() > 0.01


def test_the_gate_depends_on_words_and_image() -> None:
    interaction = model().interaction
    gates = []
    interaction.gate.register_forward_hook(lambda module, args, output: gates.append((args[0], output)))
    words, images, index = torch.randn(2, 5, 8), torch.randn(2, 3, 8), torch.tensor([0, 1])
    joined = interaction(words, None, images, index)
    (heard, scores) = gates[0]
    aware, visuals = heard.split(8, dim=-1)
    torch.testing.assert_close(joined, torch.cat([aware, scores.sigmoid() * visuals], dim=-1))


def test_a_frozen_resnet_keeps_its_batch_statistics_and_is_the_default() -> None:
    assert UMTConfig().freeze_image_encoder and UMTConfig().image_encoder_config.depths == [3, 8, 36, 3]
    tagger = UMTForTokenClassification(config(RESNETS["resnet"], freeze_image_encoder=True)).train()
    before = {name: values.clone() for name, values in tagger.image_encoder.state_dict().items()}
    tagger(**without(TestUMT().batch(), "image_mask")).loss.backward()
    assert all(torch.equal(before[name], values) for name, values in tagger.image_encoder.state_dict().items())
