"""Words and image positions that attend to each other: the multimodal interaction module of UMT (Yu et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from hf_mlm.models.base.configuration import feature_size
from hf_mlm.models.base.modeling import ImageTaggerPreTrainedModel, feature_tokens, image_rows, tagger_forward
from hf_mlm.models.layers.attention import CrossModalBlock
from hf_mlm.models.layers.crf import IGNORED, TaggingHead
from hf_mlm.models.umt.configuration_umt import UMTConfig


class MultimodalInteraction(nn.Module):
    """Image-aware words beside what the words see of the image, as far as a gate lets it through.

    P = CMT(V1 from words), A = CMT(words from P): image-aware words. Q = CMT(words from V2): word-aware visuals.
    g = sigmoid(W [A; Q]), the visual gate. The result is [A; g * Q]. CMT is a cross-modal transformer layer,
    `CrossModalBlock`; V1 and V2 are two projections of the image's positions.

    Args:
        hidden_size: width of the words.
        channels: width of the image's positions.
        num_heads: attention heads; they divide ``hidden_size``.
        dropout: drop probability in the layers.
    """

    def __init__(self, hidden_size: int, channels: int, num_heads: int, dropout: float):
        super().__init__()
        self.image_queries = nn.Linear(channels, hidden_size)
        self.image_keys = nn.Linear(channels, hidden_size)
        self.image_from_words = CrossModalBlock(hidden_size, num_heads, dropout)
        self.words_from_image = CrossModalBlock(hidden_size, num_heads, dropout)
        self.visuals = CrossModalBlock(hidden_size, num_heads, dropout)
        self.gate = nn.Linear(2 * hidden_size, hidden_size)

    def forward(
        self,
        words: torch.Tensor,
        token_mask: torch.Tensor | None,
        images: torch.Tensor | None,
        index: torch.Tensor | None,
    ) -> torch.Tensor:
        """Join words (batch, tokens, hidden) with the images (images, positions, channels) of their sentences.

        ``token_mask`` is bool (batch, tokens), and ``index`` int64 (batch,), the image of each sentence, -1 where it
        has none; ``images`` and ``index`` are None if there are none at all.

        Returns:
            (batch, tokens, 2 * hidden): where there is no image, the words as they are, and zeros.
        """
        if images is None or index is None:
            return torch.cat([words, torch.zeros_like(words)], dim=-1)
        present, rows = index >= 0, index.clamp(min=0)
        queries = self.image_queries(images)[rows]  # V1: (batch, positions, hidden)
        keys = self.image_keys(images)[rows]  # V2: (batch, positions, hidden)
        aware_image = self.image_from_words(queries, words, key_mask=token_mask)  # P: (batch, positions, hidden)
        aware_words = self.words_from_image(words, aware_image, image_mask=present)  # A: (batch, tokens, hidden)
        visuals = self.visuals(words, keys, image_mask=present)  # Q: (batch, tokens, hidden)
        gate = self.gate(torch.cat([aware_words, visuals], dim=-1)).sigmoid()
        gated = (gate * visuals).masked_fill(~present.view(-1, 1, 1), 0)
        return torch.cat([aware_words, gated], dim=-1)


SPAN_TAGS = ("O", "B", "I")


def span_labels(labels: torch.Tensor, label_names: Sequence[str]) -> torch.Tensor:
    """Turn labels, -100 where there is nothing to learn, into indices of `SPAN_TAGS`, which leave types aside.

    Example:
        >>> span_labels(torch.tensor([2, 1, 0, -100]), ["O", "B-PER", "I-PER"])
        tensor([   2,    1,    0, -100])
    """
    spans = labels.new_tensor([SPAN_TAGS.index(name[0]) for name in label_names])  # (labels,)
    return spans[labels.clamp(min=0)].where(labels != IGNORED, IGNORED)


def conversion_matrix(label_names: Sequence[str]) -> list[list[float]]:
    """Share the score of each span tag among the labels that it stands for: the conversion matrix M (3, labels).

    Example:
        >>> conversion_matrix(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
        [[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.5, 0.0], [0.0, 0.0, 0.5, 0.0, 0.5]]
    """
    starts = [name[0] for name in label_names]
    return [[(start == tag) / max(starts.count(tag), 1) for start in starts] for tag in SPAN_TAGS]


@dataclass
class UMTOutput(ModelOutput):
    """What `UMTForTokenClassification` returns, always in this order; what `TaggerOutput` has is as there.

    Args:
        loss: scalar, the main CRF's loss plus the weighted auxiliary one.
        crf_loss: scalar, the main CRF's.
        span_loss: scalar, the auxiliary one's: of the entity spans.
        logits: those of the spans included.
        predictions: of the main CRF.
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
        self.head = self._make_head(width)
        self.post_init()

    @tagger_forward
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
        """Score and decode a batch of sentences with their images."""
        encoded = self._read(input_ids, attention_mask, token_type_ids)
        hidden = self.dropout(encoded.last_hidden_state)  # (batch, tokens, hidden)
        token_mask = None if attention_mask is None else attention_mask.bool()
        span_logits = self.span_head(self.span_layer(hidden, hidden, key_mask=token_mask))  # (batch, tokens, 3)
        words = self.word_layer(hidden, hidden, key_mask=token_mask)  # (batch, tokens, hidden)
        if self.interaction is not None:
            index = image_rows(words.shape[0], pixel_values, image_index, image_mask)
            images = None if index is None else self._positions(pixel_values)
            words = self.interaction(words, token_mask, images, index)  # (batch, tokens, 2 * hidden)
        logits = self._guide(self.head(words), span_logits)  # (batch, tokens, labels)
        losses = {} if labels is None else self._losses(logits, span_logits, labels)
        return UMTOutput(**losses, logits=logits, predictions=self._decode(logits, word_ids, labels, attention_mask))

    def _positions(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Patches, or positions of the last feature map: (images, positions, channels)."""
        pixels = pixel_values.to(self.image_encoder.dtype)
        return feature_tokens(self.image_encoder(pixel_values=pixels).last_hidden_state)

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
