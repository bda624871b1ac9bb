"""MKGFormer: a CRF over a text transformer that meets a vision transformer in upper layers (Chen et al. 2022)."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer

from hf_mlm.models.base.modeling import (
    ImageTaggerPreTrainedModel,
    TaggerOutput,
    as_regions,
    image_rows,
    see_regions,
    tagger_forward,
)
from hf_mlm.models.mkgformer.configuration_mkgformer import MKGFormerConfig


class Prefix(NamedTuple):
    """Keys and values (batch, tokens, width) of a text layer's attention, for the vision layer above to look at."""

    keys: torch.Tensor
    values: torch.Tensor


class Patches(NamedTuple):
    """What words see: states (batch, patches, width), those that are there, and which sentences have an image."""

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
    """Run the text layers below ``stop``, at least one, on int64 and bool (batch, tokens).

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
    """Multi-head attention over what is projected already: queries (batch, queries, width), keys and values.

    ``mask`` is bool (batch, keys), False for keys to leave out.
    """
    q, k, v = (states.unflatten(2, (num_heads, -1)).transpose(1, 2) for states in (queries, keys, values))
    context = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None], dropout_p=dropout)
    return context.transpose(1, 2).flatten(2)


def fused_text_layer(
    layer: nn.Module, words: torch.Tensor, token_mask: torch.Tensor, patches: Patches, projection: nn.Module
) -> tuple[torch.Tensor, Prefix]:
    """Run a layer of BERT whose feed-forward layer sees the image as well, through the projection W_f.

    Returns:
        The words, (batch, tokens, width) as before, and the keys and values of the attention.
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

    W_f softmax(C V^T) V, for the attention's result C (batch, tokens, width) and the patches V ("Correlation-Aware
    Fusion Module"): (batch, tokens, size of W_f), 0 for a sentence without an image.
    """
    states = patches.states
    seen = functional.scaled_dot_product_attention(
        context, states, states, attn_mask=patches.mask.unsqueeze(1), scale=1.0
    )  # (batch, tokens, width)
    return projection(seen).masked_fill(~patches.present.view(-1, 1, 1), 0)


class Family(NamedTuple):
    """Names that transformers gives to the parts of a vision transformer, of its layers and of its configuration.

    ``norms`` come before the attention and the feed-forward layer; what their results go through before they are added
    is ``after_attention`` and ``after_ffn``.
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
        *("encoder.layers", "post_layernorm", "self_attn", "out_proj"),
        *(("layer_norm1", "layer_norm2"), (), (), "attention_dropout"),
    ),
    "vit": Family(
        *("layers", "layernorm", "attention", "o_proj"),
        *(("layernorm_before", "layernorm_after"), ("dropout",), ("dropout",), "attention_probs_dropout_prob"),
    ),
    "dinov2": Family(
        *("encoder.layer", "layernorm", "attention", "o_proj", ("norm1", "norm2")),
        *(("layer_scale1", "drop_path"), ("layer_scale2", "drop_path"), "attention_probs_dropout_prob"),
    ),
}


def drop_final_norm(encoder: PreTrainedModel) -> PreTrainedModel:
    """Take away the normalisation after the last layer, which words do not see and which would never learn."""
    setattr(encoder, FAMILIES[encoder.config.model_type].final_norm, nn.Identity())
    return encoder


def vision_layers(encoder: PreTrainedModel) -> nn.ModuleList:
    """The layers of a vision transformer of one of the `FAMILIES`."""
    return attrgetter(FAMILIES[encoder.config.model_type].layers)(encoder)


def embed_patches(encoder: PreTrainedModel, pixel_values: torch.Tensor) -> torch.Tensor:
    """Make patches (images, 1 + patches, width), the class token first, of pixels (images, 3, height, width).

    Positions are interpolated where the size is not the encoder's own.
    """
    always = encoder.config.model_type == "dinov2"  # it interpolates without being asked
    states = encoder.embeddings(pixel_values, **({} if always else {"interpolate_pos_encoding": True}))
    return encoder.pre_layrnorm(states) if hasattr(encoder, "pre_layrnorm") else states


def see_below(encoder: PreTrainedModel, patches: torch.Tensor, patch_mask: torch.Tensor, stop: int) -> torch.Tensor:
    """Run the vision layers below ``stop`` on patches (images, patches, width), those that the bool mask keeps."""
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
    attends to. Patches are (batch, patches, width), and both masks bool.
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


class FusionLayer(GradientCheckpointingLayer):
    """A vision layer that looks at the words below, and a text layer that looks at what comes of it.

    The layers are the encoders'; its own is W_f alone, from the width of the patches to the text layer's inner size.
    """

    def __init__(self, width: int, inner_size: int):
        super().__init__()
        self.projection = nn.Linear(width, inner_size)

    def forward(
        self, words: torch.Tensor, token_mask: torch.Tensor, prefix: Prefix, patches: Patches, encoders: Any, at: int
    ) -> tuple[torch.Tensor, Prefix, Patches]:
        """Run the layers number ``at`` of both encoders on words (batch, tokens, width) and patches."""
        text, image = encoders
        vision_layer = vision_layers(image)[at]
        states = prefix_guided_layer(vision_layer, image.config, patches.states, patches.mask, prefix, token_mask)
        patches = patches._replace(states=states)
        words, prefix = fused_text_layer(text.encoder.layer[at], words, token_mask, patches, self.projection)
        return words, prefix, patches


class MKGFormerForTokenClassification(ImageTaggerPreTrainedModel):
    """Tag the words of sentences, most of which have an image.

    In the upper layers of two transformers of the same depth and width, patches attend to the words ("Prefix-Guided
    Interaction Module") and words to the patches ("Correlation-Aware Fusion Module"). The CRF sees words at their
    first sub-tokens.

    Two deviations. The published model sees six crops that a visual grounding model and a detector found, of 128 and
    of 64 pixels, and none of the image itself; here an image is its own patches unless `RegionProcessor` makes
    regions, whose patches then stand side by side after one class token. And patches of a region have the encoder's
    own positions and a vector for the region, where the published model learns positions of the crops' patches anew.

    The published optimiser gives ``head``, the CRF and its scores, a learning rate of 5e-2 and all else 3e-5, which is
    all that tells the text-only form from a `CRFTaggerForTokenClassification`.

    Args:
        config: encoders, where they meet, and labels.
        text_encoder: the text encoder, already loaded; built from the configuration when omitted.
        image_encoder: the vision transformer, already loaded.

    Example:
        >>> from transformers import BertConfig, CLIPVisionConfig
        >>> sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
        >>> encoders = BertConfig(vocab_size=9, **sizes), CLIPVisionConfig(image_size=32, patch_size=16, **sizes)
        >>> config = MKGFormerConfig(
        ...     text_encoder_config=encoders[0], image_encoder_config=encoders[1], fusion_layers=1
        ... )
        >>> model = MKGFormerForTokenClassification(config).eval()
        >>> sentence = {"input_ids": torch.tensor([[2, 5, 6, 3]]), "word_ids": torch.tensor([[-1, 0, 1, -1]])}
        >>> model(**sentence, pixel_values=torch.rand(1, 3, 32, 32)).predictions.shape
        torch.Size([1, 4])
    """

    config_class = MKGFormerConfig
    base_model_prefix = "mkgformer"

    def __init__(
        self,
        config: MKGFormerConfig,
        text_encoder: PreTrainedModel | None = None,
        image_encoder: PreTrainedModel | None = None,
    ):
        super().__init__(config, text_encoder, image_encoder)
        text = self.text_encoder.config
        self.region_embedding: nn.Embedding | None = None
        self.fusion = nn.ModuleList()
        if self.image_encoder is not None:
            drop_final_norm(self.image_encoder)
            if config.num_regions > 1:
                self.region_embedding = nn.Embedding(config.num_regions, text.hidden_size)
            for _ in range(config.fusion_layers):
                self.fusion.append(FusionLayer(text.hidden_size, text.intermediate_size))
        self.head = self._make_head(text.hidden_size)
        self.post_init()

    @tagger_forward
    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        word_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        region_mask: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        image_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> TaggerOutput:
        """Score and decode a batch of sentences with their images."""
        index = None
        if self.image_encoder is not None:
            index = image_rows(input_ids.shape[0], pixel_values, image_index, image_mask)
        if index is None:
            words = self._read(input_ids, attention_mask, token_type_ids).last_hidden_state  # (batch, tokens, width)
        else:
            token_mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
            patches = self._patches(pixel_values, region_mask, index)
            words = self._fuse(input_ids, token_mask.bool(), token_type_ids, patches)
        logits = self.head(words)  # (batch, tokens, labels)
        return self._finish(logits, word_ids, labels, attention_mask)

    def _patches(self, pixel_values: torch.Tensor, region_mask: torch.Tensor | None, index: torch.Tensor) -> Patches:
        """What each sentence sees of its image below the fusion, where each image is seen once."""
        pixels, mask = as_regions(pixel_values.to(self.image_encoder.dtype), region_mask)
        if pixels.shape[1] > self.config.num_regions:
            raise ValueError(
                f"images have {pixels.shape[1]} regions and the model num_regions={self.config.num_regions}: "
                "configure it for as many."
            )
        seen = see_regions(pixels, mask, lambda crops: embed_patches(self.image_encoder, crops))
        if self.region_embedding is not None:
            seen = seen + self.region_embedding.weight[: seen.shape[1], None]  # (images, regions, 1 + patches, width)
        states = torch.cat([seen[:, 0, :1], seen[:, :, 1:].flatten(1, 2)], dim=1)  # (images, patches, width)
        masks = torch.cat([mask[:, :1], mask.repeat_interleave(seen.shape[2] - 1, dim=1)], dim=1)
        states = see_below(self.image_encoder, states, masks, self.config.fusion_start)
        rows = index.clamp(min=0)
        return Patches(states[rows], masks[rows], index >= 0)

    def _fuse(
        self,
        input_ids: torch.Tensor,
        token_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None,
        patches: Patches,
    ) -> torch.Tensor:
        """Words that have seen their image: (batch, tokens, width)."""
        start = self.config.fusion_start
        words, prefix = read_below(self.text_encoder, input_ids, token_mask, token_type_ids, start)
        encoders = self.text_encoder, self.image_encoder
        for at, layer in enumerate(self.fusion, start=start):
            words, prefix, patches = layer(words, token_mask, prefix, patches, encoders, at)
        return words
