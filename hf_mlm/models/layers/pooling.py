"""One vector for each image or text from whatever an encoder returns."""

from __future__ import annotations

from typing import Any

import torch


def masked_mean(hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
    """Average the tokens that the mask keeps, in float32.

    Args:
        hidden_states: (batch, tokens, hidden).
        attention_mask: (batch, tokens), nonzero for tokens that count; all of them when omitted.

    Returns:
        (batch, hidden) in the dtype of ``hidden_states``; zeros for a row without any token.

    Example:
        >>> masked_mean(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[1, 1, 0]]))
        tensor([[2.]])
    """
    if attention_mask is None:
        return hidden_states.mean(dim=1)
    weights = (attention_mask != 0).unsqueeze(-1).float()  # (batch, tokens, 1)
    total = (hidden_states.float() * weights).sum(dim=1)  # (batch, hidden)
    return (total / weights.sum(dim=1).clamp(min=1)).to(hidden_states.dtype)


def pool_image(outputs: Any) -> torch.Tensor:
    """Take an image encoder's own pooling where it has one, and the mean over positions otherwise.

    Args:
        outputs: what the encoder returned: ``pooler_output`` of (batch, channels), or (batch, channels, 1, 1) as in
            ResNet, or else ``last_hidden_state`` of (batch, tokens, channels) or (batch, channels, height, width).

    Returns:
        (batch, channels).
    """
    pooled = getattr(outputs, "pooler_output", None)
    if pooled is not None:
        return pooled.flatten(1)
    hidden = outputs.last_hidden_state
    return hidden.mean(dim=(2, 3)) if hidden.dim() == 4 else hidden.mean(dim=1)
