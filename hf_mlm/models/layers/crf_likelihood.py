"""Log-likelihood of a linear chain with analytic gradients, on the recursion that suits device and scores."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

from hf_mlm.models.layers.crf_recursions import (
    Chain,
    Posterior,
    absorbing_chain,
    forward_backward,
    log_forward_backward,
    widest_score,
)


def log_likelihood(
    emissions: torch.Tensor,
    mask: torch.Tensor,
    start: torch.Tensor,
    transitions: torch.Tensor,
    end: torch.Tensor,
    tags: torch.Tensor,
) -> torch.Tensor:
    """Score of the tags less the log-partition (Equations 15 and 16 of 2M-NER, with start and end scores).

    Args:
        emissions: (batch, length, tags) float32 or float64; those of padding are never read.
        mask: (batch, length) bool, True on each row's first words and False on the padding after them.
        start: (tags,) scores of a first tag.
        transitions: (tags, tags) scores of a tag, by row, being followed by another.
        end: (tags,) scores of a last tag.
        tags: (batch, length) int64, of any value on the padding.

    Returns:
        (batch,) in the type of ``emissions``; asking for a graph of its gradients raises RuntimeError.
    """
    return _LogLikelihood.apply(emissions, mask, start, transitions, end, tags)


class _LogLikelihood(torch.autograd.Function):
    """The gradient is the observed minus the expected counts; both are found in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        emissions: torch.Tensor,
        mask: torch.Tensor,
        start: torch.Tensor,
        transitions: torch.Tensor,
        end: torch.Tensor,
        tags: torch.Tensor,
    ) -> torch.Tensor:
        chain, run = _prepare(emissions, mask, start, transitions, end)
        positions, states, batch = chain.potentials.shape
        path = tags.new_full((positions, batch), states - 1)  # END on the padding
        path[:-1] = tags.masked_fill(~mask, states - 1).T
        steps = torch.add(path[1:], path[:-1], alpha=states)  # (length, batch), flat index of each transition
        score = chain.potentials.gather(1, path.unsqueeze(1)).sum((0, 1)) + chain.start[path[0]]
        score += chain.transitions.take(steps).sum(0)
        posterior = run(chain)
        differences = posterior.marginals.neg_()
        differences.scatter_add_(1, path.unsqueeze(1), differences.new_ones(()).expand_as(path.unsqueeze(1)))
        counts = posterior.transitions.flatten(1).neg()  # (batch, states * states)
        counts.scatter_add_(1, steps.T, counts.new_ones(()).expand_as(steps.T))
        ctx.save_for_backward(_of_tags(differences, emissions), counts)
        return (score - posterior.log_partition).to(emissions.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError("LinearChainCRF has gradients of first order only; leave create_graph=True out.")
        differences, counts = ctx.saved_tensors
        emissions = gradient.view(-1, 1, 1) * differences  # (batch, length, tags)
        tags = emissions.shape[2]
        table = (gradient.to(counts.dtype) @ counts).view(tags + 1, tags + 1)
        return emissions, None, emissions[:, :1].sum((0, 1)), table[:tags, :tags], table[:tags, tags], None


def tag_marginals(
    emissions: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """Probability of each tag at each word, like ``emissions``; 0 on the padding. Arguments as ``log_likelihood``."""
    chain, run = _prepare(emissions, mask, start, transitions, end)
    return _of_tags(run(chain).marginals, emissions)


def _prepare(
    emissions: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor
) -> tuple[Chain, Callable[[Chain], Posterior]]:
    """Build the chain, and choose the recursion that suits its device and the size of its transition scores."""
    scores, on_mps = (start, transitions, end), emissions.device.type == "mps"
    if not (on_host(emissions) or on_mps):  # without looking at the values, which would wait for the device
        limit = widest_score(rescale_every=2)
        chain = absorbing_chain(emissions, mask, *(score.clamp(-limit, limit) for score in scores))
        return chain, functools.partial(forward_backward, rescale_every=2)
    chain = absorbing_chain(emissions, mask, *scores)
    widest = torch.linalg.vector_norm(torch.cat([score.flatten() for score in scores]), torch.inf)
    if on_mps or widest > widest_score(rescale_every=8):
        return chain, log_forward_backward
    kernels = compiled_kernels()
    return chain, functools.partial(forward_backward, rescale_every=8) if kernels is None else kernels.forward_backward


def on_host(values: torch.Tensor) -> bool:
    """Whether values lie where Python runs, so that looking at them keeps nobody waiting."""
    return values.device.type == "cpu"


@functools.cache
def compiled_kernels() -> ModuleType | None:
    """The module ``crf_numba``, or None where Numba is not installed or finds no folder to keep what it compiles."""
    try:
        return importlib.import_module("hf_mlm.models.layers.crf_numba")
    except (ImportError, RuntimeError):
        return None


def _of_tags(values: torch.Tensor, emissions: torch.Tensor) -> torch.Tensor:
    """From (positions, states, batch) those of the tags, laid out and typed as emissions (batch, length, tags)."""
    return torch.empty_like(emissions).copy_(values[:-1, :-1].permute(2, 0, 1))
