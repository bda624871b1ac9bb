from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from hf_mlm.models.mkgformer.configuration_mkgformer import TEXT_TYPES
from hf_mlm.models.mkgformer.modeling_mkgformer import (
    Patches,
    Prefix,
    correlation_aware_fusion,
    embed_patches,
    fused_text_layer,
    prefix_guided_layer,
    read_below,
    see_below,
    vision_layers,
)
from tests.models.crf_tagger.tiny import TEXT_ENCODER, batch
from tests.models.mkgformer.test_modeling_mkgformer import IMAGES
from tests.models.two_mner.tiny import pictures


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


def encoder_vision_mkgformer(image: str) -> Any:
    torch.manual_seed(0)
    model = AutoModel.from_config(IMAGES[image]).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("image", list(IMAGES))
def test_vision_mkgformer_layers_equal_those_of_the_encoder(image: str) -> None:
    vision, pixels = encoder_vision_mkgformer(image), pictures(2)
    expected = vision(pixel_values=pixels, output_hidden_states=True).hidden_states
    patches = embed_patches(vision, pixels)
    torch.testing.assert_close(patches, expected[0])
    everything = torch.ones(patches.shape[:2]).bool()
    torch.testing.assert_close(see_below(vision, patches, everything, 2), expected[2])
    nothing = Prefix(torch.randn(2, 4, 8), torch.randn(2, 4, 8))
    layer, unread = vision_layers(vision)[2], torch.zeros(2, 4).bool()
    above = prefix_guided_layer(layer, vision.config, expected[2], everything, nothing, unread)
    torch.testing.assert_close(above, layer(expected[2], None))


def test_prefix_attention_equals_the_naive_form_and_ignores_padding() -> None:
    vision, patches = encoder_vision_mkgformer("clip"), torch.randn(2, 5, 8)
    prefix = Prefix(torch.randn(2, 4, 8), torch.randn(2, 4, 8))
    token_mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    patch_mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    layer = vision_layers(vision)[0]
    guided = prefix_guided_layer(layer, vision.config, patches, patch_mask, prefix, token_mask)
    for row in range(2):
        context = _naive_attention(layer, patches[row], patch_mask[row], prefix, token_mask[row], row)
        states = patches[row] + layer.self_attn.out_proj(context)
        torch.testing.assert_close(guided[row], states + layer.mlp(layer.layer_norm2(states)))
    spoilt = Prefix(*(values.masked_fill(~token_mask.unsqueeze(-1), 1e4) for values in prefix))
    torch.testing.assert_close(
        prefix_guided_layer(layer, vision.config, patches, patch_mask, spoilt, token_mask), guided
    )


def _naive_attention(
    layer: Any, patches: torch.Tensor, patch_mask: torch.Tensor, prefix: Prefix, token_mask: torch.Tensor, row: int
) -> torch.Tensor:
    """Each head and each patch by itself, over the words and patches that are there."""
    normed, attention = layer.layer_norm1(patches), layer.self_attn
    keys = torch.cat([prefix.keys[row][token_mask], attention.k_proj(normed)[patch_mask]])
    values = torch.cat([prefix.values[row][token_mask], attention.v_proj(normed)[patch_mask]])
    context = torch.zeros(5, 8)
    for head in (slice(0, 4), slice(4, 8)):
        for number, query in enumerate(attention.q_proj(normed)[:, head]):
            weights = torch.softmax(keys[:, head] @ query / 2, dim=0)
            context[number, head] = weights @ values[:, head]
    return context
