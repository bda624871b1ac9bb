"""The text side of MKGFormer: layers of BERT, and the correlation-aware fusion in their feed-forward layers."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
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
