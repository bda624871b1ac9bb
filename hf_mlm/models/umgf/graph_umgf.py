"""Words and regions as one graph: the multi-modal fusion layers of UMGF (Zhang et al. 2021)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from hf_mlm.models.layers.attention import CrossModalBlock
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
        """Sum what is told.

        Args:
            nodes: (batch, nodes, size), those that hear.
            others: (batch, others, size), those that tell.
            edges: bool (batch, nodes, others), which hear which.

        Returns:
            (batch, nodes, size), 0 for a node without edges.
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
    the regions has no projection of its values and of its result.

    Args:
        config: of the whole model.
        is_last: nothing reads the regions after the last layer, so it does not compute them.
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
        """Let all nodes hear of each other.

        Args:
            words: (batch, words, size).
            word_mask: bool (batch, words), False at padding.
            regions: (batch, regions, size); None in the text-only form.
            region_mask: bool (batch, regions), False where no region is.

        Returns:
            words and regions, of the same shapes.
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
