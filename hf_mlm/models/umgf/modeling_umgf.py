"""Words and regions as one graph: the multi-modal fusion layers of UMGF (Zhang et al. 2021)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from hf_mlm.models.base.configuration import feature_size
from hf_mlm.models.base.modeling import (
    ImageTaggerPreTrainedModel,
    TaggerOutput,
    as_regions,
    image_rows,
    see_regions,
    tagger_forward,
)
from hf_mlm.models.layers.attention import CrossModalBlock
from hf_mlm.models.layers.pooling import pool_image
from hf_mlm.models.umgf.configuration_umgf import UMGFConfig


class GatedEdges(nn.Module):
    """What nodes of one kind tell those of the other, each through a gate ("inter-modal fusion").

    Node i hears the sum over j of sigmoid(W [a_i; b_j]) * b_j. As W [a; b] = W_a a + W_b b, both halves are
    computed once for each node and not once for each edge.

    Args:
        size: width of the nodes.

    Example:
        >>> GatedEdges(8)(torch.rand(2, 5, 8), torch.rand(2, 4, 8), torch.ones(2, 5, 4, dtype=torch.bool)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, size: int):
        super().__init__()
        self.listening = nn.Linear(size, size)  # W_a and the bias
        self.telling = nn.Linear(size, size, bias=False)  # W_b

    def forward(self, nodes: torch.Tensor, others: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        """Sum what ``others`` (batch, others, size) tell ``nodes`` (batch, nodes, size): of the shape of these.

        ``edges``, bool (batch, nodes, others), say which hear which; a node without any hears 0.
        """
        gates = (self.listening(nodes).unsqueeze(2) + self.telling(others).unsqueeze(1)).sigmoid()
        gates = gates.masked_fill(~edges.unsqueeze(-1), 0)  # (batch, nodes, others, size)
        return torch.einsum("bnms,bms->bns", gates, others)


class NodeOutput(nn.Module):
    """LN(x + messages), and LN(. + FFN(.)).

    Args:
        config: of the whole model.
        hears: whether there are messages.
    """

    def __init__(self, config: UMGFConfig, hears: bool):
        super().__init__()
        size = config.graph_size
        self.message_norm = nn.LayerNorm(size) if hears else None
        self.inner = nn.Linear(size, config.graph_ffn_size)
        self.outer = nn.Linear(config.graph_ffn_size, size)
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(config.graph_dropout)

    def forward(self, nodes: torch.Tensor, messages: torch.Tensor | None = None) -> torch.Tensor:
        """Transform (batch, nodes, size)."""
        if self.message_norm is not None and messages is not None:
            nodes = self.message_norm(nodes + self.dropout(messages))
        inner = self.dropout(functional.relu(self.inner(nodes)))
        return self.norm(nodes + self.dropout(self.outer(inner)))


class GraphLayer(nn.Module):
    """Self-attention among words and among regions, then gated messages between them, then feed-forward layers.

    Both kinds have whole multi-head attention, as in the paper ("intra-modal fusion"); in the published code that of
    the regions has no projection of its values and of its result. The last layer computes no regions, which nothing
    would read.
    """

    def __init__(self, config: UMGFConfig, is_last: bool):
        super().__init__()
        size, attention = config.graph_size, (config.graph_heads, config.graph_dropout, False)
        self.word_attention = CrossModalBlock(size, *attention)
        self.word_output = NodeOutput(config, hears=config.use_images)
        self.region_attention = CrossModalBlock(size, *attention) if config.use_images else None
        self.to_words = GatedEdges(size) if config.use_images else None
        self.to_regions = GatedEdges(size) if config.use_images and not is_last else None
        self.region_output = NodeOutput(config, hears=True) if config.use_images and not is_last else None

    def forward(
        self,
        words: torch.Tensor,
        word_mask: torch.Tensor,
        regions: torch.Tensor | None = None,
        region_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Let words (batch, words, size) and regions (batch, regions, size) hear of each other.

        The masks are bool, False at padding and where no region is; there are no regions in the text-only form.
        """
        words = self.word_attention(words, words, key_mask=word_mask)
        if self.region_attention is None or self.to_words is None or regions is None or region_mask is None:
            return self.word_output(words), None
        regions = self.region_attention(regions, regions, key_mask=region_mask)
        edges = word_mask.unsqueeze(2) & region_mask.unsqueeze(1)  # (batch, words, regions)
        heard = self.word_output(words, self.to_words(words, regions, edges))
        if self.to_regions is not None and self.region_output is not None:
            regions = self.region_output(regions, self.to_regions(regions, words, edges.transpose(1, 2)))
        return heard, regions


class UMGFForTokenClassification(ImageTaggerPreTrainedModel):
    """Tag the words of sentences, most of which have an image that comes as several regions.

    The published regions are four crops that a visual grounding model found for the words person, miscellaneous,
    location and organization; `RegionProcessor` makes them of a file of boxes, of a grid or of the whole image. Nodes
    of the graph are the sub-tokens and the regions, and the CRF sees the words at their first sub-tokens; it scores
    the text encoder's vector beside the graph's. In the published code another linear layer stands right before the
    first one over an image's vector, which adds nothing to it and is left out.

    Args:
        config: encoders, graph and labels.
        text_encoder: the text encoder, already loaded; built from the configuration when omitted.
        image_encoder: the image encoder, already loaded.

    Example:
        >>> from transformers import BertConfig, ResNetConfig
        >>> text = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
        >>> image = ResNetConfig(embedding_size=4, hidden_sizes=[4, 6], depths=[1, 1], layer_type="basic")
        >>> config = UMGFConfig(text_encoder_config=text, image_encoder_config=image, graph_size=8, graph_heads=2)
        >>> model = UMGFForTokenClassification(config).eval()
        >>> sentence = {"input_ids": torch.tensor([[2, 5, 6, 3]]), "word_ids": torch.tensor([[-1, 0, 1, -1]])}
        >>> model(**sentence, pixel_values=torch.rand(1, 4, 3, 32, 32)).predictions.shape
        torch.Size([1, 4])
    """

    config_class = UMGFConfig
    base_model_prefix = "umgf"

    def __init__(
        self,
        config: UMGFConfig,
        text_encoder: PreTrainedModel | None = None,
        image_encoder: PreTrainedModel | None = None,
    ):
        super().__init__(config, text_encoder, image_encoder)
        hidden_size, size = feature_size(self.text_encoder.config), config.graph_size
        self.word_projection = nn.Linear(hidden_size, size)
        self.region_projection: nn.Sequential | None = None
        if self.image_encoder is not None:
            channels = feature_size(self.image_encoder.config)
            self.region_projection = nn.Sequential(
                *_dense(channels, size, config.graph_dropout), *_dense(size, size, config.graph_dropout)
            )
        count = config.graph_layers
        self.graph = nn.ModuleList([GraphLayer(config, is_last=number == count - 1) for number in range(count)])
        self.head = self._make_head(hidden_size + size)
        self.post_init()

    @tagger_forward
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        word_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        region_mask: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        image_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> TaggerOutput:
        """Score and decode a batch of sentences with the regions of their images."""
        hidden = self._read(input_ids, attention_mask, token_type_ids).last_hidden_state  # (batch, tokens, hidden)
        if attention_mask is None:
            attention_mask = torch.ones(hidden.shape[:2], device=hidden.device)
        nodes, regions, present = self.word_projection(hidden), None, None  # (batch, tokens, size)
        if self.region_projection is not None:
            index = image_rows(hidden.shape[0], pixel_values, image_index, image_mask)
            regions, present = self._regions(pixel_values, region_mask, index, nodes)
        for layer in self.graph:
            nodes, regions = layer(nodes, attention_mask.bool(), regions, present)
        logits = self.head(torch.cat([hidden, nodes], dim=-1))  # (batch, tokens, labels)
        return self._finish(logits, word_ids, labels, attention_mask)

    def _regions(
        self,
        pixel_values: torch.Tensor | None,
        region_mask: torch.Tensor | None,
        index: torch.Tensor | None,
        words: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Each sentence's regions: (batch, regions, size), and which are there: bool (batch, regions)."""
        if pixel_values is None or index is None or self.region_projection is None:
            nothing = words.new_zeros(words.shape[0], 1, words.shape[2])
            return nothing, torch.zeros(nothing.shape[:2], dtype=torch.bool, device=words.device)
        pixels, mask = as_regions(pixel_values.to(self.image_encoder.dtype), region_mask)
        features = see_regions(pixels, mask, lambda crops: pool_image(self.image_encoder(pixel_values=crops)))
        rows = index.clamp(min=0)
        return self.region_projection(features)[rows], mask[rows] & (index >= 0).unsqueeze(1)


def _dense(in_size: int, out_size: int, dropout: float) -> tuple[nn.Module, ...]:
    return nn.Linear(in_size, out_size), nn.ReLU(), nn.Dropout(dropout)
