"""Forward–backward in the form that can be exported: what ``LinearChainCRF.marginals`` computes, as two scans."""

from __future__ import annotations

import torch
from torch._higher_order_ops.scan import scan


Carry = tuple[torch.Tensor, torch.Tensor]


def marginals_scan(
    emissions: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """Probability of each tag at each word, summed over all paths (Rabiner 1989, section III.B, in logarithms).

    ``torch.export`` keeps both scans for any batch and length. Outside of an exported program they would be compiled
    at every call.

    Args:
        emissions: (batch, length, tags) scores.
        mask: (batch, length) bool; it may have gaps.
        start: (tags,) scores of a first tag.
        transitions: (tags, tags) scores of a tag, by row, being followed by another.
        end: (tags,) scores of a last tag.

    Returns:
        (batch, length, tags); rows sum to 1, and mean nothing where the mask is False.
    """
    rows = emissions.shape[0]
    words = (emissions.transpose(0, 1), mask.T.unsqueeze(2))  # (length, batch, tags) and (length, batch, 1)

    def advance(carry: Carry, word: Carry) -> tuple[Carry, torch.Tensor]:
        (score, started), (emission, present) = carry, word
        arriving = (score.unsqueeze(2) + transitions).logsumexp(1)  # (batch, tags)
        reached = (torch.where(started, arriving, score) + emission).log_softmax(1)
        score = torch.where(present, reached, score)
        return (score, started | present), score.clone()

    def retreat(following: torch.Tensor, word: Carry) -> tuple[torch.Tensor, torch.Tensor]:
        emission, present = word
        leaving = (transitions + (emission + following).unsqueeze(1)).logsumexp(2).log_softmax(1)
        return torch.where(present, leaving, following), following.clone()

    beginning = (start.expand(rows, -1).clone(), torch.zeros_like(mask[:, :1]))
    _, prefixes = scan(advance, beginning, words)  # (length, batch, tags)
    _, suffixes = scan(retreat, end.expand(rows, -1).clone(), words, reverse=True)
    return (prefixes + suffixes).softmax(2).transpose(0, 1)
