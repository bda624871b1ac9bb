"""Losses over all pairs of a batch, of every process where there are several."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import distributed
from torch.autograd.function import once_differentiable
from torch.nn import functional


def info_nce(
    image_embeds: torch.Tensor, text_embeds: torch.Tensor, scale: torch.Tensor, paired: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross-entropy of each image's own text among all texts, and the other way round (Radford et al. 2021).

    With several processes each one scores its own rows against the rows of all, so the mean over processes, which is
    what data-parallel training takes, is the loss of one process with the whole batch.

    Args:
        image_embeds: (batch, size) of unit length; row i belongs to row i of ``text_embeds``.
        text_embeds: (batch, size) of unit length.
        scale: scalar that multiplies the cosines, the inverse temperature.
        paired: bool (batch,), False for rows to leave out, which lack an image or a text; all count when None.

    Example:
        >>> info_nce(torch.eye(2), torch.eye(2), torch.tensor(100.0)).item()
        0.0
    """
    image_to_text = scale * _dot_products(image_embeds, text_embeds)  # (batch, batch of all processes)
    text_to_image = scale * _dot_products(text_embeds, image_embeds)  # (batch, batch of all processes)
    own = own_columns(image_to_text)
    if paired is None:
        return (functional.cross_entropy(image_to_text, own) + functional.cross_entropy(text_to_image, own)) / 2
    everyone, share = _present(paired)
    lowest = torch.finfo(image_to_text.dtype).min
    losses = [
        functional.cross_entropy(logits.masked_fill(~everyone, lowest), own, reduction="none")
        for logits in (image_to_text, text_to_image)
    ]
    return (torch.stack(losses).where(paired, 0).sum() * share) / 2


def siglip_loss(
    image_embeds: torch.Tensor,
    text_embeds: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor,
    paired: torch.Tensor | None = None,
) -> torch.Tensor:
    """Binary cross-entropy of every image with every text, summed for each image (Zhai et al. 2023, Equation 1).

    Args:
        image_embeds: (batch, size) of unit length; row i belongs to row i of ``text_embeds``.
        text_embeds: (batch, size) of unit length.
        scale: scalar that multiplies the cosines.
        bias: scalar that is added to them.
        paired: bool (batch,), False for rows to leave out, which lack an image or a text; all count when None.
    """
    logits = scale * _dot_products(image_embeds, text_embeds) + bias  # (batch, batch of all processes)
    signs = 2 * functional.one_hot(own_columns(logits), logits.shape[1]) - 1
    losses = -functional.logsigmoid(signs * logits)  # (batch, batch of all processes)
    if paired is None:
        return losses.sum(dim=1).mean()
    everyone, share = _present(paired)
    return losses.where(paired[:, None] & everyone, 0).sum() * share


def _present(paired: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs of all processes, and what a sum is multiplied by so that the mean over processes is that over pairs."""
    everyone = gather_with_gradient(paired.float()) > 0  # (batch of all processes,)
    return everyone, (len(everyone) // len(paired)) / everyone.sum().clamp(min=1)


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
    device = text_embeds.device.type
    if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
        return _nt_xent(text_embeds, image_embeds, temperature, mask)
    with torch.autocast(device, enabled=False):
        return _nt_xent(text_embeds, image_embeds, temperature, mask)


def _nt_xent(
    text_embeds: torch.Tensor, image_embeds: torch.Tensor, temperature: float | torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    precision = torch.promote_types(text_embeds.dtype, torch.float32)
    texts, images = text_embeds.to(precision), image_embeds.to(precision)
    if mask is None:
        mean = 0.5 / max(1, len(texts))
        return _PartnerEntropy.apply(texts, images, _elsewhere(texts, images), temperature, mean, None)
    present = mask.repeat(2)  # (2N,)
    anyone = gather_with_gradient(present.to(precision)) > 0  # (2N of all processes,)
    share = (len(anyone) // max(1, len(present))) / anyone.sum(dtype=precision).clamp(min=1)
    texts, images = (side.masked_fill(~mask.unsqueeze(1), 0) for side in (texts, images))
    return _PartnerEntropy.apply(texts, images, _elsewhere(texts, images), temperature, share, (present, anyone))


def _elsewhere(texts: torch.Tensor, images: torch.Tensor) -> torch.Tensor | None:
    """The views of all processes, None where there is but one."""
    return gather_with_gradient(torch.cat((texts, images))) if is_distributed() else None


class Units(NamedTuple):
    """Rows of unit length, and what made them so."""

    rows: torch.Tensor  # (n, size)
    scales: torch.Tensor  # (n, 1)


class _PartnerEntropy(torch.autograd.Function):
    """``share`` times the sum over present views of -log softmax(cosines / temperature) at their partners.

    With P the softmax less 1 at the partners, the gradient is ``share`` P for the logits and ``share`` P / temperature
    for the cosines; it is found in the forward pass. A small batch costs as much as there are operations: few of them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        texts: torch.Tensor,
        images: torch.Tensor,
        everyone: torch.Tensor | None,
        temperature: float | torch.Tensor,
        share: float | torch.Tensor,
        present: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> torch.Tensor:
        own = _unit_rows(torch.cat((texts, images)))
        others = None if everyone is None else _unit_rows(everyone)
        columns = (others or own).rows  # (2N of all processes, size)
        logits = torch.mm(own.rows, columns.T).div_(temperature)  # (2N, 2N of all processes)
        lowest = torch.finfo(logits.dtype).min
        _own(logits).fill_diagonal_(lowest)
        if present is not None:
            logits.masked_fill_(~present[1], lowest)
        log_probabilities = logits.log_softmax(dim=1)
        losses = _partners(log_probabilities)  # (2, N), negative
        if present is not None:
            losses = losses.where(present[0].view(2, -1), 0)
        loss = losses.sum().mul_(-share)
        if any(ctx.needs_input_grad):
            errors = log_probabilities.exp_()  # (2N, 2N of all processes), of the logits but for ``share``
            _partners(errors).sub_(1)
            if present is not None:
                errors.masked_fill_(~present[0].unsqueeze(1), 0)
            of_temperature = -(errors * logits).sum() * share / temperature if ctx.needs_input_grad[3] else None
            ctx.save_for_backward(*_of_rows(errors, own, others, share / temperature), of_temperature)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        views, *others = ctx.saved_tensors
        everyone, temperature = (None if each is None else each * gradient for each in others)
        return *(views * gradient).chunk(2), everyone, temperature, None, None


def _of_rows(
    errors: torch.Tensor, own: Units, others: Units | None, factor: float | torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Gradients for this process's rows and for those of all: ``factor`` times those of the logits, led on."""
    if others is None:
        return _across((errors + errors.T) @ own.rows, own, factor), None
    return _across(errors @ others.rows, own, factor), _across(errors.T @ own.rows, others, factor)


def _unit_rows(rows: torch.Tensor) -> Units:
    """Divide rows (n, size) by their lengths."""
    scales = torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_(min=1e-12).reciprocal_()
    return Units(rows * scales, scales)


def _across(gradient: torch.Tensor, units: Units, factor: float | torch.Tensor) -> torch.Tensor:
    """From the gradient for unit rows, overwritten, that for the rows, times a factor: along a row there is none."""
    along = torch.linalg.vecdot(gradient, units.rows).unsqueeze_(1)  # (n, 1)
    return gradient.addcmul_(units.rows, along, value=-1).mul_(units.scales * factor)


def _own(values: torch.Tensor) -> torch.Tensor:
    """Those of the columns, which are all processes' views, that are this one's, as many as there are rows."""
    return values if len(values) == values.shape[1] else values.narrow(1, first_own_column(values), len(values))


def _partners(values: torch.Tensor) -> torch.Tensor:
    """View of the entries (2N, 2N of all processes) at the texts' images and at the images' texts: (2, N)."""
    n, columns = len(values) // 2, values.shape[1]
    return values.as_strided((2, n), (n * (columns - 1), columns + 1), first_own_column(values) + n)


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
