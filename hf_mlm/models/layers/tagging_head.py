"""From word vectors to labels: the head that every tagger of the package ends in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from hf_mlm.models.layers.crf import IGNORED, LinearChainCRF


class TaggingHead(nn.Module):
    """Dropout, a linear layer that scores the labels, and a CRF over the words or a softmax at each word.

    Everything is on the sub-token axis; a mask says at which sub-tokens words are, and the CRF sees those alone.

    Args:
        hidden_size: width of the word vectors.
        label_names: in the order of their ids.
        dropout: drop probability of the word vectors.
        kind: ``"crf"`` or ``"softmax"``.
        constrained: whether the CRF decodes IOB2 alone.
    """

    def __init__(
        self,
        hidden_size: int,
        label_names: Sequence[str],
        dropout: float = 0.1,
        kind: Literal["crf", "softmax"] = "crf",
        constrained: bool = True,
    ):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden_size, len(label_names))
        self.crf = LinearChainCRF(len(label_names), label_names if constrained else None) if kind == "crf" else None

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Score the labels: (batch, tokens, hidden) to (batch, tokens, labels)."""
        return self.classifier(self.dropout(hidden_states))

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of the labels: summed over a sentence, mean over sentences.

        Args:
            logits: (batch, tokens, labels).
            labels: int64 (batch, tokens), -100 where there is nothing to learn.

        Returns:
            float32 scalar; a sentence without labels counts 0.

        Raises:
            ValueError: on CPU, if a label is none of the head's.
        """
        if self.crf is not None:
            return -self.crf(logits, labels, labels != IGNORED).mean()
        wrong = (labels >= logits.shape[2]) | ((labels < 0) & (labels != IGNORED))
        if labels.device.type == "cpu" and bool(wrong.any()):
            raise ValueError(
                f"there is a label {int(labels[wrong][0])}, and the model has {logits.shape[2]}, from 0 on."
            )
        loss = functional.cross_entropy(logits.float().transpose(1, 2), labels, reduction="none")  # (batch, tokens)
        return loss.sum(dim=1).mean()

    @torch.no_grad()
    def decode(self, logits: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Choose a label for each word.

        Args:
            logits: (batch, tokens, labels).
            words: bool (batch, tokens), where words are.

        Returns:
            int64 (batch, tokens), -100 where no word is.
        """
        if self.crf is not None:
            return self.crf.decode(logits, words)
        return logits.argmax(dim=-1).masked_fill(~words, IGNORED)

    @torch.no_grad()
    def probabilities(self, logits: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Probability of each label at each word: the CRF's marginals, or the softmax.

        Args:
            logits: (batch, tokens, labels).
            words: bool (batch, tokens), where words are.

        Returns:
            float32 (batch, tokens, labels), 0 where no word is.
        """
        if self.crf is not None:
            return self.crf.marginals(logits, words)
        return logits.float().softmax(dim=-1) * words.unsqueeze(-1)
