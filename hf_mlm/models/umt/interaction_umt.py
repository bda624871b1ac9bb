"""Words and image positions that attend to each other: the multimodal interaction module of UMT (Yu et al. 2020)."""

from __future__ import annotations

import torch
from torch import nn

from hf_mlm.models.layers.attention import CrossModalBlock


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
        """Join words with the image of their sentence.

        Args:
            words: (batch, tokens, hidden).
            token_mask: bool (batch, tokens), False at padding.
            images: (images, positions, channels); None if there are none at all.
            index: int64 (batch,), the image of each sentence, -1 where it has none; None if none has.

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
