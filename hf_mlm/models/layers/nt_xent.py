"""NT-Xent: the alignment loss of 2M-NER (Equations 7-10, as its published code computes them)."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from hf_mlm.models.layers.contrastive import first_own_column, gather_with_gradient


def nt_xent(
    text_embeds: torch.Tensor,
    image_embeds: torch.Tensor,
    temperature: float | torch.Tensor = 0.5,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy of each of 2N views' partner among the 2N - 1 other views (Chen et al. 2020, SimCLR).

    A text's negatives are the other texts as well as the other images. Memory is that of the (2N, 2N) cosines. With
    several processes each one scores its own views against the views of all, and its mean is such that the mean over
    processes, which is what data-parallel training takes, is the loss of one process with the whole batch. Gradients
    are analytic, and of first order only.

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
        >>> round(nt_xent(torch.eye(2), torch.eye(2), temperature=0.5).item(), 4)
        0.2395
    """
    _check(text_embeds, image_embeds, temperature, mask)
    with torch.autocast(text_embeds.device.type, enabled=False):
        return _nt_xent(text_embeds, image_embeds, temperature, mask)


def _nt_xent(
    text_embeds: torch.Tensor, image_embeds: torch.Tensor, temperature: float | torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    precision = torch.promote_types(text_embeds.dtype, torch.float32)
    views = torch.cat((text_embeds.to(precision), image_embeds.to(precision)))  # (2N, size)
    if mask is None:
        return _PartnerEntropy.apply(views, _elsewhere(views), temperature, 1 / len(views), None)
    present = mask.repeat(2)  # (2N,)
    anyone = gather_with_gradient(present.to(precision)) > 0  # (2N of all processes,)
    share = (len(anyone) // len(present)) / anyone.sum().clamp(min=1)
    views = views.masked_fill(~present.unsqueeze(1), 0)
    return _PartnerEntropy.apply(views, _elsewhere(views), temperature, share, (present, anyone))


def _elsewhere(views: torch.Tensor) -> torch.Tensor | None:
    """The views of all processes, None where there is but one."""
    everyone = gather_with_gradient(views)
    return None if everyone is views else everyone


class _PartnerEntropy(torch.autograd.Function):
    """``share`` times the sum over present views of -log softmax(cosines / temperature) at their partners.

    With P the softmax less 1 at the partners, the gradient is ``share`` P for the logits and ``share`` P / temperature
    for the cosines. Lengths are divided out of products, not of views: all but the products is (2N, 2N) arithmetic.
    """

    @staticmethod
    def forward(
        ctx: Any,
        views: torch.Tensor,
        everyone: torch.Tensor | None,
        temperature: float | torch.Tensor,
        share: float | torch.Tensor,
        present: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> torch.Tensor:
        columns = views if everyone is None else everyone  # (2N of all processes, size)
        scales = torch.linalg.vector_norm(columns, dim=1).clamp_(min=1e-12).reciprocal_()
        logits = torch.mm(views, columns.T).mul_(scales).mul_(_own(scales, views).unsqueeze(1)).div_(temperature)
        lowest = torch.finfo(logits.dtype).min
        _own(logits, views).diagonal().fill_(lowest)
        if present is not None:
            logits.masked_fill_(~present[1], lowest)
        log_probabilities = logits.log_softmax(dim=1)  # (2N, 2N of all processes)
        losses = torch.cat(_partners(log_probabilities))  # (2N,), negative
        if present is not None:
            losses.masked_fill_(~present[0], 0)
        ctx.present, ctx.temperature, ctx.share = present, temperature, share
        ctx.save_for_backward(views, everyone, scales, logits, log_probabilities)
        return losses.sum() * -share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        views, everyone, scales, logits, log_probabilities = ctx.saved_tensors
        errors = log_probabilities.exp()  # (2N, 2N of all processes), of the logits
        for partners in _partners(errors):
            partners.sub_(1)
        if ctx.present is not None:
            errors.masked_fill_(~ctx.present[0].unsqueeze(1), 0)
        errors.mul_(gradient * ctx.share)
        of_temperature = -(errors * logits).sum() / ctx.temperature if ctx.needs_input_grad[2] else None
        own = _own(scales, views)
        if everyone is None:
            errors = errors + errors.T
            return (
                _of_rows(errors, logits, (views, scales), (views, scales), ctx.temperature),
                None,
                of_temperature,
                None,
                None,
            )
        of_views = _of_rows(errors, logits, (views, own), (everyone, scales), ctx.temperature)
        of_everyone = _of_rows(errors.T, logits.T, (everyone, scales), (views, own), ctx.temperature)
        return of_views, of_everyone, of_temperature, None, None


Scaled = tuple[torch.Tensor, torch.Tensor]  # rows (n, size), and what makes them unit length (n,)


def _of_rows(
    errors: torch.Tensor, logits: torch.Tensor, rows: Scaled, columns: Scaled, temperature: float | torch.Tensor
) -> torch.Tensor:
    """Gradient for rows of that for their logits with columns, (rows, columns); along a row itself there is none."""
    along = (errors * logits).sum(dim=1) * rows[1].square()
    weights = (errors * columns[1]).mul_(rows[1].unsqueeze(1)).div_(temperature)
    return torch.addcmul(weights @ columns[0], rows[0], along.unsqueeze(1), value=-1)


def _own(values: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
    """The part of the last dimension, which is all processes' views, that is this one's."""
    return values.narrow(-1, first_own_column(views), len(views))


def _partners(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Views of the entries at the texts' images and at the images' texts: each (N,)."""
    own, n = _own(values, values), len(values) // 2
    return own.diagonal(n), own.diagonal(-n)


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
