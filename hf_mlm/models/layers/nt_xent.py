"""NT-Xent: the alignment loss of 2M-NER (Equations 7-10, as its published code computes them)."""

from __future__ import annotations

import torch
from torch.nn import functional

from hf_mlm.models.layers.contrastive import gather_with_gradient, own_columns


def nt_xent(
    text_embeds: torch.Tensor,
    image_embeds: torch.Tensor,
    temperature: float | torch.Tensor = 0.5,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy of each of 2N views' partner among the 2N - 1 other views (Chen et al. 2020, SimCLR).

    A text's negatives are the other texts as well as the other images. Memory is that of the (2N, 2N) cosines. With
    several processes each one scores its own views against the views of all, and its mean is such that the mean over
    processes, which is what data-parallel training takes, is the loss of one process with the whole batch.

    Args:
        text_embeds: (N, size) of any length; half precision is computed in float32.
        image_embeds: (N, size); row i belongs to row i of ``text_embeds``.
        temperature: what cosines are divided by.
        mask: bool (N,), False for pairs to leave out, such as texts without an image: neither anchors nor negatives.

    Returns:
        Scalar, the mean over the views; 0 where no pair is left.

    Raises:
        ValueError: if the shapes disagree, ``mask`` is not bool, or a float ``temperature`` is not positive.

    Example:
        >>> nt_xent(torch.eye(2), torch.eye(2), temperature=0.01).item()
        0.0
    """
    _check(text_embeds, image_embeds, temperature, mask)
    with torch.autocast(text_embeds.device.type, enabled=False):
        return _nt_xent(text_embeds, image_embeds, temperature, mask)


def _nt_xent(
    text_embeds: torch.Tensor, image_embeds: torch.Tensor, temperature: float | torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    precision = torch.promote_types(text_embeds.dtype, torch.float32)
    views = torch.cat((text_embeds.to(precision), image_embeds.to(precision)))  # (2N, size)
    present = None if mask is None else mask.repeat(2)  # (2N,)
    if present is not None:
        views = views.masked_fill(~present.unsqueeze(1), 0)
    views = views / torch.linalg.vector_norm(views, dim=1, keepdim=True).clamp(min=1e-12)
    logits = views @ gather_with_gradient(views).T / temperature  # (2N, 2N of all processes)
    itself = own_columns(logits)
    partner = itself.roll(len(text_embeds))
    lowest = torch.finfo(precision).min
    logits.scatter_(1, itself.unsqueeze(1), lowest)
    if present is None:
        return functional.cross_entropy(logits, partner)
    anyone = gather_with_gradient(present.to(precision)) > 0  # (2N of all processes,)
    logits.masked_fill_(~anyone, lowest)
    total = functional.cross_entropy(logits, partner.masked_fill(~present, -100), reduction="sum")
    return total * (len(anyone) // len(present)) / anyone.sum().clamp(min=1)


def _check(
    text_embeds: torch.Tensor, image_embeds: torch.Tensor, temperature: float | torch.Tensor, mask: torch.Tensor | None
) -> None:
    shapes = tuple(text_embeds.shape), tuple(image_embeds.shape)
    if text_embeds.dim() != 2 or shapes[0] != shapes[1]:
        raise ValueError(
            f"text_embeds and image_embeds must be of one shape (N, size), got {shapes[0]} and {shapes[1]}."
        )
    if mask is not None and (mask.dtype != torch.bool or mask.shape != text_embeds.shape[:1]):
        raise ValueError(f"mask must be bool ({len(text_embeds)},), got {mask.dtype} of {tuple(mask.shape)}.")
    if not isinstance(temperature, torch.Tensor) and temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}.")
