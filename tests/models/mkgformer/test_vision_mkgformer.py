from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModel

from hf_mlm.models.mkgformer.text_mkgformer import Prefix
from hf_mlm.models.mkgformer.vision_mkgformer import embed_patches, prefix_guided_layer, see_below, vision_layers
from tests.models.mkgformer.test_modeling_mkgformer import IMAGES
from tests.models.two_mner.tiny import pictures


def encoder(image: str) -> Any:
    torch.manual_seed(0)
    model = AutoModel.from_config(IMAGES[image]).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("image", list(IMAGES))
def test_layers_equal_those_of_the_encoder(image: str) -> None:
    vision, pixels = encoder(image), pictures(2)
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
    vision, patches = encoder("clip"), torch.randn(2, 5, 8)
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
