"""UMT: a CRF over words that have seen their image, guided by entity spans from text alone (Yu et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from hf_mlm.models.encoder_sizes import feature_size
from hf_mlm.models.image_tagger_base import ImageTaggerPreTrainedModel
from hf_mlm.models.layers.attention import CrossModalBlock
from hf_mlm.models.layers.image_index import image_rows
from hf_mlm.models.layers.tagging_head import TaggingHead
from hf_mlm.models.umt.configuration_umt import UMTConfig
from hf_mlm.models.umt.interaction_umt import MultimodalInteraction
from hf_mlm.models.umt.spans_umt import SPAN_TAGS, conversion_matrix, span_labels


@dataclass
class UMTOutput(ModelOutput):
    """What `UMTForTokenClassification` returns, always in this order.

    Args:
        loss: scalar, the main CRF's loss plus the weighted auxiliary one.
        crf_loss: scalar, the negative log-likelihood of a sentence's labels, mean over sentences.
        span_loss: scalar, the same of its entity spans.
        logits: (batch, tokens, labels), scores of the labels before the CRF, those of the spans included.
        predictions: int64 (batch, tokens), the decoded label where a word starts, -100 elsewhere; None in training,
            and where nothing says where words start.
    """

    loss: torch.Tensor | None = None
    crf_loss: torch.Tensor | None = None
    span_loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    predictions: torch.Tensor | None = None


class UMTForTokenClassification(ImageTaggerPreTrainedModel):
    """Tag the words of sentences, most of which have an image.

    Two transformer layers of their own read the text encoder's output. One leads to the image and the main CRF; the
    other one, which never sees the image, to an auxiliary CRF over {O, B, I}, whose scores are shared among the labels
    by a fixed conversion matrix and added to the main ones ("Unified Multimodal Transformer" of the paper). Layers
    run over sub-tokens, and both CRFs over words, at their first sub-tokens, where the published code has labels for
    sub-tokens and special tokens as well.

    Args:
        config: encoders, weights and labels.
        text_encoder: the text encoder, already loaded; built from the configuration when omitted.
        image_encoder: the image encoder, already loaded.

    Example:
        >>> from transformers import BertConfig, ResNetConfig
        >>> text = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
        >>> image = ResNetConfig(embedding_size=4, hidden_sizes=[4, 6], depths=[1, 1], layer_type="basic")
        >>> config = UMTConfig(text_encoder_config=text, image_encoder_config=image, num_heads=2)
        >>> model = UMTForTokenClassification(config).eval()
        >>> sentence = {"input_ids": torch.tensor([[2, 5, 6, 3]]), "word_ids": torch.tensor([[-1, 0, 1, -1]])}
        >>> model(**sentence, pixel_values=torch.rand(1, 3, 32, 32)).predictions.shape
        torch.Size([1, 4])
    """

    config_class = UMTConfig
    base_model_prefix = "umt"

    def __init__(
        self,
        config: UMTConfig,
        text_encoder: PreTrainedModel | None = None,
        image_encoder: PreTrainedModel | None = None,
    ):
        super().__init__(config, text_encoder, image_encoder)
        size, layer = feature_size(self.text_encoder.config), (config.num_heads, config.dropout)
        self.dropout = nn.Dropout(config.dropout)
        self.word_layer = CrossModalBlock(size, *layer)
        self.span_layer = CrossModalBlock(size, *layer)
        self.span_head = TaggingHead(size, SPAN_TAGS, config.dropout, constrained=False)
        self.interaction: MultimodalInteraction | None = None
        if self.image_encoder is not None:
            self.interaction = MultimodalInteraction(size, feature_size(self.image_encoder.config), *layer)
        width = size if self.interaction is None else 2 * size
        self.head = TaggingHead(width, config.label_names, config.dropout, constrained=config.constrained_decoding)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        word_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        image_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> UMTOutput:
        """Score and decode a batch of sentences with their images.

        Args:
            input_ids: int64 (batch, tokens).
            attention_mask: (batch, tokens), 0 at padding.
            token_type_ids: int64 (batch, tokens), for encoders that take them.
            word_ids: int64 (batch, tokens), the word that each sub-token belongs to, -1 at special tokens and padding;
                words start where it changes. When omitted, words are where ``labels`` are.
            pixel_values: (images, 3, height, width), each image once; None if no sentence has one.
            image_index: int64 (batch,), which image each sentence has, -1 where none; when omitted, ``pixel_values``
                has a row for each sentence.
            image_mask: bool (batch,), False for sentences without an image, whatever their row of ``pixel_values``.
            labels: int64 (batch, tokens), at the first sub-token of a word, -100 elsewhere and where a word's label is
                not to be learnt.

        Raises:
            ValueError: if images and sentences do not correspond.
        """
        hidden = self.dropout(self._encode_text(input_ids, attention_mask, token_type_ids))  # (batch, tokens, hidden)
        token_mask = None if attention_mask is None else attention_mask.bool()
        span_logits = self.span_head(self.span_layer(hidden, hidden, key_mask=token_mask))  # (batch, tokens, 3)
        words = self.word_layer(hidden, hidden, key_mask=token_mask)  # (batch, tokens, hidden)
        if self.interaction is not None:
            index = image_rows(words.shape[0], pixel_values, image_index, image_mask)
            images = None if index is None else self._positions(pixel_values)
            words = self.interaction(words, token_mask, images, index)  # (batch, tokens, 2 * hidden)
        logits = self._guide(self.head(words), span_logits)  # (batch, tokens, labels)
        losses = {} if labels is None else self._losses(logits, span_logits, labels)
        return UMTOutput(**losses, logits=logits, predictions=self._decode(logits, word_ids, labels))

    def _positions(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Patches, or positions of the last feature map: (images, positions, channels)."""
        encoder = self.image_encoder
        hidden = encoder(pixel_values=pixel_values.to(encoder.dtype)).last_hidden_state
        return hidden.flatten(2).transpose(1, 2) if hidden.dim() == 4 else hidden

    def _guide(self, logits: torch.Tensor, span_logits: torch.Tensor) -> torch.Tensor:
        """Mix the labels' scores with those of the spans, which the conversion matrix shares among them."""
        weight = self.config.span_emission_weight
        conversion = span_logits.new_tensor(conversion_matrix(self.config.label_names))  # (3, labels)
        return (1 - weight) * logits + weight * (span_logits @ conversion)

    def _losses(
        self, logits: torch.Tensor, span_logits: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        crf_loss = self.head.loss(logits, labels)
        span_loss = self.span_head.loss(span_logits, span_labels(labels, self.config.label_names))
        return {
            "loss": crf_loss + self.config.span_loss_weight * span_loss,
            "crf_loss": crf_loss,
            "span_loss": span_loss,
        }
