"""One vector for each image or text from whatever an encoder returns."""

from __future__ import annotations

from typing import Any, Literal

import torch

from hf_mlm.models.layers.crf import IGNORED


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


WordPooling = Literal["first", "mean", "last", "previous"]
NO_WORD = -1  # in word_ids, at special tokens and padding


def word_starts(word_ids: torch.Tensor) -> torch.Tensor:
    """Mark the first sub-token of each word.

    Args:
        word_ids: int64 (batch, tokens), the word that each sub-token belongs to, -1 where none.

    Returns:
        bool (batch, tokens).

    Example:
        >>> word_starts(torch.tensor([[-1, 0, 0, 1, -1]]))
        tensor([[False,  True, False,  True, False]])
    """
    previous = torch.nn.functional.pad(word_ids[:, :-1], (1, 0), value=NO_WORD)
    return (word_ids != NO_WORD) & (word_ids != previous)


def find_words(
    logits: torch.Tensor,
    word_ids: torch.Tensor | None = None,
    labels: torch.Tensor | None = None,
    attention_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Tell where words start: by ``word_ids``, else where ``labels`` are not -100, else wherever no padding is.

    Args:
        logits: (batch, tokens, labels), which give the shape; all else is (batch, tokens), and may be missing.
        word_ids: int64, -1 where no word is; words start where it changes.
        labels: int64.
        attention_mask: 0 at padding.

    Returns:
        bool (batch, tokens).
    """
    if word_ids is not None:
        return word_starts(word_ids)
    if labels is not None:
        return labels != IGNORED
    return torch.ones_like(logits[..., 0], dtype=torch.bool) if attention_mask is None else attention_mask.bool()


def pool_words(hidden_states: torch.Tensor, word_ids: torch.Tensor, pooling: WordPooling = "first") -> torch.Tensor:
    """Put each word's vector at its first sub-token.

    Args:
        hidden_states: (batch, tokens, hidden).
        word_ids: int64 (batch, tokens), -1 where no word is; the sub-tokens of a word are neighbours.
        pooling: ``"first"``, ``"mean"`` or ``"last"`` of the word's sub-tokens, or ``"previous"``: the one before its
            first, as the published 2M-NER does.

    Returns:
        (batch, tokens, hidden); what stands elsewhere than at first sub-tokens means nothing.

    Example:
        >>> pool_words(torch.tensor([[[9.0], [1.0], [3.0]]]), torch.tensor([[-1, 0, 0]]), "mean")[0, 1]
        tensor([2.])
    """
    if pooling == "first":
        return hidden_states
    if pooling == "previous":
        return hidden_states.roll(1, dims=1)
    starts = word_starts(word_ids)
    place = starts.cumsum(dim=1).sub(1).clamp(min=0)  # (batch, tokens), which word of its row a sub-token is in
    inside = word_ids != NO_WORD
    if pooling == "last":
        positions = torch.arange(word_ids.shape[1], device=word_ids.device).expand_as(word_ids)
        ends = torch.zeros_like(word_ids).scatter_reduce_(1, place, positions * inside, "amax")  # (batch, words)
        return hidden_states.gather(1, ends.gather(1, place).unsqueeze(-1).expand_as(hidden_states))
    share = inside.unsqueeze(-1).float()  # (batch, tokens, 1)
    rows = place.unsqueeze(-1)
    sums = torch.zeros_like(hidden_states, dtype=torch.float32)
    sums = sums.scatter_add(1, rows.expand_as(sums), hidden_states.float() * share)  # (batch, words, hidden)
    sizes = torch.zeros_like(share).scatter_add(1, rows, share).clamp(min=1)  # (batch, words, 1)
    return (sums / sizes).gather(1, rows.expand_as(sums)).to(hidden_states.dtype)
