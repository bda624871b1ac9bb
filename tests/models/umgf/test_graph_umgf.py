from __future__ import annotations

from typing import Any

import torch

from hf_mlm.models.umgf.graph_umgf import GatedEdges, GraphLayer
from tests.models.umgf.test_modeling_umgf import config


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
