from __future__ import annotations

from typing import Any

import pytest
import torch

from hf_mlm.models.umgf.configuration_umgf import UMGFConfig
from hf_mlm.models.umgf.modeling_umgf import GatedEdges, GraphLayer, UMGFForTokenClassification
from tests.models.common import Batch, assert_equal
from tests.models.crf_tagger.tiny import TEXT_ENCODER
from tests.models.image_taggers import ImageTaggerTests
from tests.models.two_mner.tiny import RESNETS, pictures


def test_gated_edges_equal_the_gates_of_concatenated_pairs() -> None:
    torch.manual_seed(0)
    layer, words, regions = GatedEdges(6), torch.randn(2, 5, 6), torch.randn(2, 3, 6)
    edges = torch.rand(2, 5, 3) < 0.6
    weight = torch.cat([layer.listening.weight, layer.telling.weight], dim=1)  # W of [a; b]
    expected = torch.zeros(2, 5, 6)
    for b, i, j in edges.nonzero().tolist():
        gate = torch.sigmoid(weight @ torch.cat([words[b, i], regions[b, j]]) + layer.listening.bias)
        expected[b, i] += gate * regions[b, j]
    torch.testing.assert_close(layer(words, regions, edges), expected)


def test_gates_have_the_gradients_of_concatenated_pairs() -> None:
    torch.manual_seed(0)
    layer = GatedEdges(2).double()
    inputs = torch.randn(1, 3, 2, dtype=torch.double), torch.randn(1, 2, 2, dtype=torch.double)
    edges = torch.tensor([[[True, False], [True, True], [False, False]]])
    assert torch.autograd.gradcheck(lambda a, b: layer(a, b, edges), [x.requires_grad_() for x in inputs])


def layer(is_last: bool = False, **settings: Any) -> GraphLayer:
    torch.manual_seed(0)
    return GraphLayer(config(**settings), is_last).eval()


def test_both_kinds_of_nodes_hear_what_the_other_was_before() -> None:
    graph, words, regions = layer(), torch.randn(1, 4, 8), torch.randn(1, 2, 8)
    masks = torch.tensor([[True, True, True, False]]), torch.tensor([[True, False]])
    heard, told = graph(words, masks[0], regions, masks[1])
    own_words = graph.word_attention(words, words, key_mask=masks[0])
    own_regions = graph.region_attention(regions, regions, key_mask=masks[1])
    edges = masks[0].unsqueeze(2) & masks[1].unsqueeze(1)
    torch.testing.assert_close(heard, graph.word_output(own_words, graph.to_words(own_words, own_regions, edges)))
    messages = graph.to_regions(own_regions, own_words, edges.transpose(1, 2))
    torch.testing.assert_close(told, graph.region_output(own_regions, messages))


def test_the_last_layer_builds_nothing_for_regions_and_the_text_only_form_nothing_at_all() -> None:
    names = {name.split(".")[0] for name in layer(is_last=True).state_dict()}
    assert names == {"word_attention", "region_attention", "to_words", "word_output"}
    textual = layer(use_images=False)
    assert {name.split(".")[0] for name in textual.state_dict()} == {"word_attention", "word_output"}
    assert textual(torch.randn(1, 4, 8), torch.ones(1, 4, dtype=torch.bool))[1] is None


GRAPH = {"graph_size": 8, "graph_layers": 2, "graph_heads": 2, "graph_ffn_size": 12, "graph_dropout": 0.0}


def config(image: Any = RESNETS["convnext"], **settings: Any) -> UMGFConfig:
    encoders = {"text_encoder_config": TEXT_ENCODER.to_dict(), "image_encoder_config": image.to_dict()}
    return UMGFConfig(**{**encoders, **GRAPH, "dropout": 0.0, **settings})


class TestUMGF(ImageTaggerTests):
    """The common tests with three regions an image, of which the last is missing where there are several images."""

    model_class = UMGFForTokenClassification
    wrong_settings = [
        {"graph_size": 9},
        {"graph_layers": 0},
        {"graph_heads": 0},
        {"graph_ffn_size": -1},
        {"graph_dropout": 1.0},
        {"num_labels": 3},
    ]

    def config(self, **settings: Any) -> UMGFConfig:
        return config(**settings)

    def own_settings(self) -> dict[str, Any]:
        return GRAPH

    def images(self, count: int, seed: int = 0) -> Batch:
        mask = torch.ones(count, 3, dtype=torch.bool)
        mask[0, 2] = False
        return {"pixel_values": pictures(3 * count, seed).unflatten(0, (count, 3)), "region_mask": mask}


def model(**settings: Any) -> UMGFForTokenClassification:
    torch.manual_seed(0)
    return UMGFForTokenClassification(config(**settings)).eval()


def test_regions_that_are_not_there_are_not_read_and_those_that_are_have_no_order() -> None:
    tagger, inputs = model(), TestUMGF().batch()
    logits = tagger(**inputs).logits
    spoilt = inputs["pixel_values"].clone()
    spoilt[0, 2] = torch.nan
    assert_equal(tagger(**inputs | {"pixel_values": spoilt}).logits, logits)
    order = torch.tensor([2, 0, 1])
    turned = {name: inputs[name][:, order] for name in ("pixel_values", "region_mask")}
    torch.testing.assert_close(tagger(**inputs | turned).logits, logits)
    fewer = inputs["region_mask"].index_fill(1, torch.tensor([1]), False)
    assert (tagger(**inputs | {"region_mask": fewer}).logits - logits)[0].abs().max() > 1e-6


def test_missing_regions_do_not_count_in_batch_statistics() -> None:
    tagger = model(image=RESNETS["resnet"]).train()
    inputs = TestUMGF().batch()
    tagger(**inputs)
    statistics = {name: values.clone() for name, values in tagger.image_encoder.state_dict().items()}
    again = model(image=RESNETS["resnet"]).train()
    missing = ~inputs["region_mask"].view(4, 3, 1, 1, 1)
    again(**inputs | {"pixel_values": inputs["pixel_values"].masked_fill(missing, 99)})
    assert_equal(again.image_encoder.state_dict(), statistics)


def test_an_image_may_come_as_it_is_and_is_one_region() -> None:
    tagger, inputs = model(), TestUMGF().batch()
    del inputs["region_mask"]
    whole = tagger(**inputs | {"pixel_values": inputs["pixel_values"][:, 0]}).logits
    torch.testing.assert_close(tagger(**inputs | {"pixel_values": inputs["pixel_values"][:, :1]}).logits, whole)


def test_regions_and_their_mask_must_agree() -> None:
    inputs = TestUMGF().batch()
    with pytest.raises(ValueError, match=r"with a region_mask of \(4, 2\)"):
        model()(**inputs | {"region_mask": inputs["region_mask"][:, :2]})
