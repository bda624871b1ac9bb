"""MKGFormer: a CRF over a text transformer that meets a vision transformer in upper layers (Chen et al. 2022)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils.generic import can_return_tuple

from hf_mlm.models.base.modeling import ImageTaggerPreTrainedModel, TaggerOutput
from hf_mlm.models.layers.image_batch import as_regions, image_rows, see_regions
from hf_mlm.models.layers.tagging_head import TaggingHead
from hf_mlm.models.mkgformer.configuration_mkgformer import MKGFormerConfig
from hf_mlm.models.mkgformer.layers_mkgformer import (
    Patches,
    Prefix,
    drop_final_norm,
    embed_patches,
    fused_text_layer,
    prefix_guided_layer,
    read_below,
    see_below,
    vision_layers,
)


class FusionLayer(GradientCheckpointingLayer):
    """A vision layer that looks at the words below, and a text layer that looks at what comes of it.

    The layers are the encoders'; its own is W_f alone.

    Args:
        width: of words and patches.
        inner_size: width inside the text layer's feed-forward layer.
    """

    def __init__(self, width: int, inner_size: int):
        super().__init__()
        self.projection = nn.Linear(width, inner_size)

    def forward(
        self, words: torch.Tensor, token_mask: torch.Tensor, prefix: Prefix, patches: Patches, encoders: Any, at: int
    ) -> tuple[torch.Tensor, Prefix, Patches]:
        """Run the two layers.

        Args:
            words: (batch, tokens, width).
            token_mask: bool (batch, tokens), False at padding.
            prefix: keys and values of the text layer before.
            patches: of each sentence's image.
            encoders: of texts and of images.
            at: number of the layers.
        """
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
        self.head = TaggingHead(
            text.hidden_size, config.label_names, config.dropout, constrained=config.constrained_decoding
        )
        self.post_init()

    @can_return_tuple
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
        """Score and decode a batch of sentences with their images.

        Args:
            input_ids: int64 (batch, tokens).
            attention_mask: (batch, tokens), 0 at padding.
            token_type_ids: int64 (batch, tokens), for encoders that take them.
            word_ids: int64 (batch, tokens), the word that each sub-token belongs to, -1 at special tokens and padding;
                words start where it changes. When omitted, words are where ``labels`` are.
            pixel_values: (images, 3, height, width), each image once, or (images, regions, 3, height, width); None if
                no sentence has an image.
            region_mask: bool (images, regions), False where there is no region; all are there when omitted. The first
                region of an image is always there.
            image_index: int64 (batch,), which image each sentence has, -1 where none; when omitted, ``pixel_values``
                has a row for each sentence.
            image_mask: bool (batch,), False for sentences without an image, whatever their row of ``pixel_values``.
            labels: int64 (batch, tokens), at the first sub-token of a word, -100 elsewhere and where a word's label is
                not to be learnt.

        Raises:
            ValueError: if images and sentences do not correspond, or there are more regions than the model knows.
        """
        index = None
        if self.image_encoder is not None:
            index = image_rows(input_ids.shape[0], pixel_values, image_index, image_mask)
        if index is None:
            words = self._encode_text(input_ids, attention_mask, token_type_ids)  # (batch, tokens, width)
        else:
            token_mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
            patches = self._patches(pixel_values, region_mask, index)
            words = self._fuse(input_ids, token_mask.bool(), token_type_ids, patches)
        logits = self.head(words)  # (batch, tokens, labels)
        return self._finish(logits, word_ids, labels)

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
