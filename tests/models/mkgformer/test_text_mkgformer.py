from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from hf_mlm.models.mkgformer.configuration_mkgformer import TEXT_TYPES
from hf_mlm.models.mkgformer.text_mkgformer import Patches, correlation_aware_fusion, fused_text_layer, read_below
from tests.models.crf_tagger.tiny import TEXT_ENCODER, batch


def encoder(model_type: str) -> Any:
    torch.manual_seed(0)
    sizes = {**TEXT_ENCODER.to_dict(), "num_hidden_layers": 3, "pad_token_id": 1}
    sizes.pop("model_type")
    return AutoModel.from_config(AutoConfig.for_model(model_type, **sizes)).eval()


@pytest.mark.parametrize("model_type", TEXT_TYPES)
def test_layers_equal_those_of_the_encoder(model_type: str) -> None:
    text, inputs = encoder(model_type), batch()
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    expected = text(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    words, prefix = read_below(text, ids, mask.bool(), None, 2)
    inside = mask.bool()
    torch.testing.assert_close(words[inside], expected[2][inside])
    torch.testing.assert_close(prefix.keys, text.encoder.layer[1].attention.self.key(expected[1]))
    torch.testing.assert_close(prefix.values, text.encoder.layer[1].attention.self.value(expected[1]))
    unseen = Patches(torch.randn(4, 3, 8), torch.ones(4, 3).bool(), torch.zeros(4).bool())
    above, _ = fused_text_layer(text.encoder.layer[2], words, inside, unseen, torch.nn.Linear(8, 8))
    torch.testing.assert_close(above[inside], expected[3][inside])


def test_correlation_aware_fusion_equals_the_naive_form() -> None:
    torch.manual_seed(0)
    context, states, mask = torch.randn(3, 4, 8), torch.randn(3, 5, 8), torch.rand(3, 5) < 0.6
    mask[:, 0] = True
    projection = torch.nn.Linear(8, 6)
    seen = correlation_aware_fusion(context, Patches(states, mask, torch.tensor([True, True, False])), projection)
    for row in range(2):
        kept = states[row][mask[row]]
        weights = torch.softmax(context[row] @ kept.T, dim=-1)
        torch.testing.assert_close(seen[row], projection(weights @ kept))
    assert (seen[2] == 0).all()


def test_a_text_layer_adds_what_it_sees_before_its_activation() -> None:
    text, words, mask = encoder("bert"), torch.randn(2, 4, 8), torch.ones(2, 4).bool()
    layer, projection = text.encoder.layer[0], torch.nn.Linear(8, 8)
    patches = Patches(torch.randn(2, 3, 8), torch.ones(2, 3).bool(), torch.ones(2).bool())
    fused, _ = fused_text_layer(layer, words, mask, patches, projection)
    context = layer.attention.self(words)[0]
    attended = layer.attention.output(context, words)
    visual = projection(torch.softmax(context @ patches.states.transpose(1, 2), dim=-1) @ patches.states)
    inner = torch.nn.functional.gelu(layer.intermediate.dense(attended) + visual)
    torch.testing.assert_close(fused, layer.output(inner, attended))
