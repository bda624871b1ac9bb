"""The text side of MKGFormer: layers of BERT, and the correlation-aware fusion in their feed-forward layers."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask


class Prefix(NamedTuple):
    """What a text layer's attention looked at, for the vision layer above to look at as well.

    Args:
        keys: (batch, tokens, width).
        values: (batch, tokens, width).
    """

    keys: torch.Tensor
    values: torch.Tensor


class Patches(NamedTuple):
    """What words see.

    Args:
        states: (batch, patches, width).
        mask: bool (batch, patches), False where no region is.
        present: bool (batch,), False for sentences without an image.
    """

    states: torch.Tensor
    mask: torch.Tensor
    present: torch.Tensor


def read_below(
    encoder: PreTrainedModel,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    token_type_ids: torch.Tensor | None,
    stop: int,
) -> tuple[torch.Tensor, Prefix]:
    """Run the layers below the fusion.

    Args:
        encoder: built as BERT is.
        input_ids: int64 (batch, tokens).
        attention_mask: bool (batch, tokens).
        token_type_ids: int64 (batch, tokens).
        stop: number of the first layer that is not run, at least 1.

    Returns:
        The words, (batch, tokens, width), and the keys and values of the last layer that was run.
    """
    words = encoder.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
    mask = create_bidirectional_mask(config=encoder.config, inputs_embeds=words, attention_mask=attention_mask.long())
    before = words
    for layer in encoder.encoder.layer[:stop]:
        before, words = words, layer(words, mask)
    attention = encoder.encoder.layer[stop - 1].attention.self
    return words, Prefix(attention.key(before), attention.value(before))


def attend(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    num_heads: int,
    mask: torch.Tensor,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Multi-head attention over what is projected already.

    Args:
        queries: (batch, queries, width).
        keys: (batch, keys, width).
        values: (batch, keys, width).
        num_heads: attention heads.
        mask: bool (batch, keys), False for keys to leave out.
        dropout: drop probability of the attention weights.

    Returns:
        (batch, queries, width).
    """
    q, k, v = (states.unflatten(2, (num_heads, -1)).transpose(1, 2) for states in (queries, keys, values))
    context = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None], dropout_p=dropout)
    return context.transpose(1, 2).flatten(2)


def fused_text_layer(
    layer: nn.Module, words: torch.Tensor, token_mask: torch.Tensor, patches: Patches, projection: nn.Module
) -> tuple[torch.Tensor, Prefix]:
    """Run a layer of BERT whose feed-forward layer sees the image as well.

    Args:
        layer: of the text encoder.
        words: (batch, tokens, width).
        token_mask: bool (batch, tokens), False at padding.
        patches: of each sentence's image.
        projection: W_f, from the width of the patches to that inside the feed-forward layer.

    Returns:
        The words, of the same shape, and the keys and values of the attention.
    """
    attention = layer.attention.self
    prefix = Prefix(attention.key(words), attention.value(words))
    dropout = attention.dropout.p if attention.training else 0.0
    context = attend(attention.query(words), *prefix, attention.num_attention_heads, token_mask, dropout)
    attended = layer.attention.output(context, words)
    inner = layer.intermediate.dense(attended) + correlation_aware_fusion(context, patches, projection)
    return layer.output(layer.intermediate.intermediate_act_fn(inner), attended), prefix


def correlation_aware_fusion(context: torch.Tensor, patches: Patches, projection: nn.Module) -> torch.Tensor:
    """What words add to their feed-forward layer of the patches that they correlate with.

    W_f softmax(C V^T) V, for the attention's result C and the patches V ("Correlation-Aware Fusion Module").

    Args:
        context: (batch, tokens, width).
        patches: of each sentence's image.
        projection: W_f.

    Returns:
        (batch, tokens, size of W_f), 0 for a sentence without an image.
    """
    states = patches.states
    seen = functional.scaled_dot_product_attention(
        context, states, states, attn_mask=patches.mask.unsqueeze(1), scale=1.0
    )  # (batch, tokens, width)
    return projection(seen).masked_fill(~patches.present.view(-1, 1, 1), 0)


class Family(NamedTuple):
    """What transformers calls the parts of a vision transformer.

    Args:
        layers: of the model.
        final_norm: of the model, after the last layer.
        attention: of a layer.
        output: of the attention, the projection of its result.
        norms: of a layer, before the attention and before the feed-forward layer.
        after_attention: of a layer, what the attention's result goes through before it is added.
        after_ffn: of a layer, what the feed-forward layer's result goes through before it is added.
        attention_dropout: in the configuration.
    """

    layers: str
    final_norm: str
    attention: str
    output: str
    norms: tuple[str, str]
    after_attention: tuple[str, ...]
    after_ffn: tuple[str, ...]
    attention_dropout: str


FAMILIES = {
    "clip_vision_model": Family(
        "encoder.layers",
        "post_layernorm",
        "self_attn",
        "out_proj",
        ("layer_norm1", "layer_norm2"),
        (),
        (),
        "attention_dropout",
    ),
    "vit": Family(
        "layers",
        "layernorm",
        "attention",
        "o_proj",
        ("layernorm_before", "layernorm_after"),
        ("dropout",),
        ("dropout",),
        "attention_probs_dropout_prob",
    ),
    "dinov2": Family(
        "encoder.layer",
        "layernorm",
        "attention",
        "o_proj",
        ("norm1", "norm2"),
        ("layer_scale1", "drop_path"),
        ("layer_scale2", "drop_path"),
        "attention_probs_dropout_prob",
    ),
}


def drop_final_norm(encoder: PreTrainedModel) -> PreTrainedModel:
    """Take away the normalisation after the last layer, which words do not see and which would never learn.

    Args:
        encoder: of one of the `FAMILIES`.
    """
    setattr(encoder, FAMILIES[encoder.config.model_type].final_norm, nn.Identity())
    return encoder


def vision_layers(encoder: PreTrainedModel) -> nn.ModuleList:
    """The layers of a vision transformer.

    Args:
        encoder: of one of the `FAMILIES`.
    """
    return attrgetter(FAMILIES[encoder.config.model_type].layers)(encoder)


def embed_patches(encoder: PreTrainedModel, pixel_values: torch.Tensor) -> torch.Tensor:
    """Make patches of images of any size, positions interpolated where it is not the encoder's own.

    Args:
        encoder: of one of the `FAMILIES`.
        pixel_values: (images, 3, height, width).

    Returns:
        (images, 1 + patches, width), the class token first.
    """
    always = encoder.config.model_type == "dinov2"  # it interpolates without being asked
    states = encoder.embeddings(pixel_values, **({} if always else {"interpolate_pos_encoding": True}))
    return encoder.pre_layrnorm(states) if hasattr(encoder, "pre_layrnorm") else states


def see_below(encoder: PreTrainedModel, patches: torch.Tensor, patch_mask: torch.Tensor, stop: int) -> torch.Tensor:
    """Run the layers below the fusion.

    Args:
        encoder: of one of the `FAMILIES`.
        patches: (images, patches, width).
        patch_mask: bool (images, patches), False where no region is.
        stop: number of the first layer that is not run.

    Returns:
        (images, patches, width).
    """
    mask = create_bidirectional_mask(config=encoder.config, inputs_embeds=patches, attention_mask=patch_mask.long())
    for layer in vision_layers(encoder)[:stop]:
        patches = layer(patches, mask)
    return patches


def prefix_guided_layer(
    layer: Any,
    config: PreTrainedConfig,
    patches: torch.Tensor,
    patch_mask: torch.Tensor,
    prefix: Prefix,
    token_mask: torch.Tensor,
) -> torch.Tensor:
    """Run a vision layer whose attention looks at the words below as well ("Prefix-Guided Interaction Module").

    Keys are [K_text; K_image] and values [V_text; V_image]. The text's padding is left out, which the published code
    attends to.

    Args:
        layer: of the vision transformer.
        config: of the vision transformer.
        patches: (batch, patches, width).
        patch_mask: bool (batch, patches), False where no region is.
        prefix: keys and values of the text layer before.
        token_mask: bool (batch, tokens), False at padding.

    Returns:
        (batch, patches, width).
    """
    family = FAMILIES[config.model_type]
    attention, (norm, ffn_norm) = getattr(layer, family.attention), family.norms
    states = getattr(layer, norm)(patches)
    context = attend(
        attention.q_proj(states),
        torch.cat([prefix.keys, attention.k_proj(states)], dim=1),
        torch.cat([prefix.values, attention.v_proj(states)], dim=1),
        config.num_attention_heads,
        torch.cat([token_mask, patch_mask], dim=1),
        getattr(config, family.attention_dropout) if layer.training else 0.0,
    )
    patches = patches + _through(layer, family.after_attention, getattr(attention, family.output)(context))
    return patches + _through(layer, family.after_ffn, layer.mlp(getattr(layer, ffn_norm)(patches)))


def _through(layer: nn.Module, names: tuple[str, ...], states: torch.Tensor) -> torch.Tensor:
    for name in names:
        states = getattr(layer, name)(states)
    return states
