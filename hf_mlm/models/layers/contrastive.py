"""Losses over all pairs of a batch, of every process where there are several."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed
from torch.nn import functional


def info_nce(image_embeds: torch.Tensor, text_embeds: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each image's own text among all texts, and the other way round (Radford et al. 2021).

    With several processes each one scores its own rows against the rows of all, so the mean over processes, which is
    what data-parallel training takes, is the loss of one process with the whole batch.

    Args:
        image_embeds: (batch, size) of unit length; row i belongs to row i of ``text_embeds``.
        text_embeds: (batch, size) of unit length.
        scale: scalar that multiplies the cosines, the inverse temperature.

    Example:
        >>> info_nce(torch.eye(2), torch.eye(2), torch.tensor(100.0)).item()
        0.0
    """
    image_to_text = scale * _dot_products(image_embeds, text_embeds)  # (batch, batch of all processes)
    text_to_image = scale * _dot_products(text_embeds, image_embeds)  # (batch, batch of all processes)
    own = own_columns(image_to_text)
    return (functional.cross_entropy(image_to_text, own) + functional.cross_entropy(text_to_image, own)) / 2


def siglip_loss(
    image_embeds: torch.Tensor, text_embeds: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Binary cross-entropy of every image with every text, summed for each image (Zhai et al. 2023, Equation 1).

    Args:
        image_embeds: (batch, size) of unit length; row i belongs to row i of ``text_embeds``.
        text_embeds: (batch, size) of unit length.
        scale: scalar that multiplies the cosines.
        bias: scalar that is added to them.
    """
    logits = scale * _dot_products(image_embeds, text_embeds) + bias  # (batch, batch of all processes)
    signs = 2 * functional.one_hot(own_columns(logits), logits.shape[1]) - 1
    return -functional.logsigmoid(signs * logits).sum(dim=1).mean()


def own_columns(logits: torch.Tensor) -> torch.Tensor:
    """Column of each row's partner in (batch, batch of all processes): int64 (batch,)."""
    return torch.arange(len(logits), device=logits.device) + first_own_column(logits)


def first_own_column(logits: torch.Tensor) -> int:
    """Where the columns of this process's rows begin in (batch, batch of all processes)."""
    return distributed.get_rank() * len(logits) if is_distributed() else 0


def gather_with_gradient(rows: torch.Tensor) -> torch.Tensor:
    """Stack the rows of all processes, in the order of their ranks, and lead gradients back to where rows came from.

    Args:
        rows: (batch, size), with the same batch on every process.

    Returns:
        (processes * batch, size); ``rows`` itself in a single process.
    """
    return _Gather.apply(rows) if is_distributed() else rows


def _dot_products(queries: torch.Tensor, gallery: torch.Tensor) -> torch.Tensor:
    """Multiply in full precision even under autocast: a scale of 100 makes much of bfloat16's rounding."""
    with torch.autocast(queries.device.type, enabled=False):
        return queries @ gather_with_gradient(gallery).T


class _Gather(torch.autograd.Function):
    """All-gather whose backward sums the gradients that every process has for a process's rows."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total.chunk(distributed.get_world_size())[distributed.get_rank()]


def is_distributed() -> bool:
    """Whether several processes train together."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
