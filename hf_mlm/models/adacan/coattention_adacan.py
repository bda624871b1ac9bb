"""Words and image regions attend to each other, and gates weigh what they find (Zhang et al. 2018)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn


LARGEST_STEP = 2**24  # numbers that additive attention holds at a time, unless one query has more


class Attention(nn.Module):
    """Attention by a small network: ``softmax(w tanh(…))``, with what is attended to as its own value.

    Additive, the network sees ``W q + U k + b``. By concatenation, as published, it sees ``[W q + b; U k]``: then
    ``w tanh(…)`` is one number of the query plus one of the key, and the softmax over keys cancels the query's. What
    is left is computed alone, once for all queries; the weights that cancel are not built.

    Args:
        size: width of queries, keys and the network.
        kind: ``"additive"`` or ``"concat"``.
    """

    def __init__(self, size: int, kind: Literal["additive", "concat"]):
        super().__init__()
        self.query = nn.Linear(size, size) if kind == "additive" else None
        self.key = nn.Linear(size, size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)

    def forward(self, queries: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Gather for each query what it attends to.

        Args:
            queries: (batch, queries, size).
            keys: (batch, keys, size).
            mask: bool (batch, keys), False at keys that are not there.

        Returns:
            (batch, queries, size).
        """
        projected = self.key(keys)  # (batch, keys, size)
        if self.query is None:
            attended = self._gather(self.score(projected.tanh()).transpose(1, 2), keys, mask)  # (batch, 1, size)
            return attended.expand(-1, queries.shape[1], -1)
        step = max(1, LARGEST_STEP // max(projected.numel(), 1))
        parts = [
            self._gather(self._score(part, projected), keys, mask) for part in self.query(queries).split(step, dim=1)
        ]
        return torch.cat(parts, dim=1)

    def _score(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """(batch, queries, keys)."""
        return self.score((queries.unsqueeze(2) + keys.unsqueeze(1)).tanh()).squeeze(-1)

    @staticmethod
    def _gather(scores: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if mask is not None:
            scores = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min)
        return scores.softmax(dim=-1) @ keys


class Coattention(nn.Module):
    """What a word learns from the image: co-attention, gated fusion, and a gate that filters it.

    Args:
        size: width of words and of projected regions.
        channels: width of the image encoder's regions.
        kind: of both attentions, ``"additive"`` or ``"concat"``.
    """

    def __init__(self, size: int, channels: int, kind: Literal["additive", "concat"]):
        super().__init__()
        self.regions = nn.Linear(channels, size)
        self.visual_attention = Attention(size, kind)
        self.textual_attention = Attention(size, kind)
        self.fusion = GatedFusion(size)
        self.filter = FiltrationGate(size)

    def forward(self, words: torch.Tensor, regions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Let words look at regions, and from there at words.

        Args:
            words: (batch, words, size).
            regions: (batch, regions, channels).
            mask: bool (batch, words), False at padding.

        Returns:
            (batch, words, size).
        """
        seen = self.visual_attention(words, self.regions(regions).tanh())  # word-guided visual attention
        read = self.textual_attention(seen, words, mask)  # image-guided textual attention
        return self.filter(words, self.fusion(seen, read))


class GatedFusion(nn.Module):
    """What was seen and what was read, weighed against each other ("gated multimodal fusion"): ``g v + (1 - g) h``.

    Args:
        size: width of both.
    """

    def __init__(self, size: int):
        super().__init__()
        self.seen = nn.Linear(size, size)
        self.read = nn.Linear(size, size)
        self.gate = nn.Linear(2 * size, 1)

    def forward(self, seen: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        """Fuse two of (batch, words, size) into one."""
        seen, read = self.seen(seen).tanh(), self.read(read).tanh()
        gate = self.gate(torch.cat([seen, read], dim=-1)).sigmoid()  # (batch, words, 1)
        return gate * seen + (1 - gate) * read


class FiltrationGate(nn.Module):
    """How much of the fused vector a word lets in ("filtration gate"): ``s tanh(W m)``.

    The gate's projections of word and fused vector, which have no nonlinearity between them and their weights, are
    one linear layer here.

    Args:
        size: width of words and fused vectors.
    """

    def __init__(self, size: int):
        super().__init__()
        self.gate = nn.Linear(2 * size, 1)
        self.fused = nn.Linear(size, size)

    def forward(self, words: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
        """Filter (batch, words, size) by words of the same shape."""
        gate = self.gate(torch.cat([words, fused], dim=-1)).sigmoid()  # (batch, words, 1)
        return gate * self.fused(fused).tanh()
