"""Forward–backward over a batch of linear chains: what the likelihood, its gradient and the marginals are made of.

Sentences of different lengths become chains of one length by one more state, END: it takes over after the last word
and never lets go, so that no step needs a mask, and the end transitions are an ordinary column of the transitions.
Arrays are laid out (positions, states, batch): the batch is contiguous, and every step is one small matrix product.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import torch


class Chain(NamedTuple):
    """Log potentials of a batch of chains; the last state is END, and so is the last position of every chain."""

    potentials: torch.Tensor  # (positions, states, batch); overwritten by the recursions
    transitions: torch.Tensor  # (states, states), from row to column
    start: torch.Tensor  # (states,)


class Posterior(NamedTuple):
    """What forward–backward tells of a batch of chains."""

    log_partition: torch.Tensor  # (batch,)
    marginals: torch.Tensor  # (positions, states, batch), P(state at position)
    transitions: torch.Tensor  # (batch, states, states), expected number of each transition


def absorbing_chain(
    emissions: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor
) -> Chain:
    """Add the END state, and one position for it, to a batch of sentences.

    Args:
        emissions: (batch, length, tags) scores; those of padding are never read.
        mask: (batch, length) bool, True on each row's first words and False on the padding after them.
        start: (tags,) scores of a first tag.
        transitions: (tags, tags) scores of a tag, by row, being followed by another.
        end: (tags,) scores of a last tag.

    Returns:
        A chain of length + 1 positions and tags + 1 states, in float64 (float32 where the device has no other).
    """
    batch, length, tags = emissions.shape
    dtype = torch.float32 if emissions.device.type == "mps" else torch.float64
    potentials = torch.empty(length + 1, tags + 1, batch, dtype=dtype, device=emissions.device)
    potentials[:length, :tags] = emissions.permute(1, 2, 0)
    potentials[:length, :tags].masked_fill_(~mask.T.unsqueeze(1), -torch.inf)
    potentials[:length, tags].fill_(0).masked_fill_(mask.T, -torch.inf)
    potentials[length, :tags] = -torch.inf
    potentials[length, tags] = 0
    table = potentials.new_full((tags + 1, tags + 1), -torch.inf)
    table[:tags, :tags] = transitions
    table[:tags, tags] = end
    table[tags, tags] = 0
    first = potentials.new_zeros(tags + 1)  # a sentence without words starts in END
    first[:tags] = start
    return Chain(potentials, table, first)


def widest_score(rescale_every: int) -> float:
    """Largest distance from 0 of a transition, start or end score that ``forward_backward`` is exact for."""
    return 600 / (2 * rescale_every + 1)


def forward_backward(chain: Chain, rescale_every: int) -> Posterior:
    """Run both directions as one recursion over probabilities, rescaled every few steps (Rabiner 1989, section V.A).

    Nothing under- or overflows while no transition, start or end score is further from 0 than ``widest_score``,
    whatever the emissions: each position's potentials are divided by their largest, and a tag that then vanishes, more
    than 700 below, could not have been saved by its transitions.

    Args:
        chain: as ``absorbing_chain`` builds it, float64; its potentials are overwritten.
        rescale_every: steps between two rescalings.
    """
    peaks = exponentiate(chain.potentials)  # (positions, batch)
    positions, states, batch = chain.potentials.shape
    factors, start = chain.transitions.exp(), chain.start.exp().unsqueeze(1)
    lanes, arrivals = chain.potentials.new_empty(
        2, positions, 2, states, batch
    )  # messages with, and before, emissions
    torch.stack((chain.potentials, chain.potentials.flip(0)), dim=1, out=lanes)
    arrivals[0, 0] = start
    lanes[0, 0].mul_(start)
    log_scales = _advance(lanes, arrivals, torch.stack((factors.T, factors)), rescale_every)  # (batch,)
    prefixes, suffixes = lanes[:, 0], lanes[:, 1].flip(0)  # (positions, states, batch)
    log_partition = prefixes[-1, -1].log() + log_scales + peaks.sum(0)
    joint = arrivals[:, 0].mul_(suffixes)
    totals = joint.sum(1, keepdim=True)  # (positions, 1, batch)
    edges = torch.bmm(prefixes[:-1].permute(2, 1, 0), suffixes.div_(totals)[1:].permute(2, 0, 1))
    return Posterior(log_partition, joint.div_(totals), edges.mul_(factors))


def exponentiate(potentials: torch.Tensor) -> torch.Tensor:
    """Turn (positions, states, batch) log potentials into factors of at most 1, in place; return what was divided out.

    Returns:
        (positions, batch) largest log potential of each position.
    """
    peaks = potentials.amax(1, keepdim=True)
    potentials.sub_(peaks).exp_()
    return peaks.squeeze(1)


def _advance(lanes: torch.Tensor, arrivals: torch.Tensor, factors: torch.Tensor, rescale_every: int) -> torch.Tensor:
    """Send messages along both lanes, (positions, 2, states, batch), in place; return the first lane's log scales."""
    steps, before = lanes.unbind(0), arrivals.unbind(0)
    scales = [torch.ones_like(steps[0][0, :1])]  # each (1, batch)
    for position in range(1, len(steps)):
        torch.bmm(factors, steps[position - 1], out=before[position])
        steps[position].mul_(before[position])
        if position % rescale_every == 0:
            total = steps[position].sum(1, keepdim=True)  # (2, 1, batch)
            steps[position].div_(total)
            scales.append(total[0])
    return torch.cat(scales).log_().sum(0)


def log_forward_backward(chain: Chain) -> Posterior:
    """Do the same with log-sum-exp at every step: right for transitions of any size, and slower."""
    potentials, transitions = chain.potentials, chain.transitions.unsqueeze(2)  # (from, to, 1)
    prefixes = [potentials[0] + chain.start.unsqueeze(1)]  # each (states, batch)
    for potential in potentials[1:]:
        prefixes.append(torch.logsumexp(prefixes[-1].unsqueeze(1) + transitions, dim=0) + potential)
    log_partition = prefixes[-1][-1]
    suffix = torch.zeros_like(prefixes[0])  # (states, batch), without the position's own emission
    marginals, expected = torch.empty_like(potentials), torch.zeros_like(prefixes[0] + transitions)
    for position in range(len(potentials) - 1, 0, -1):
        marginals[position] = (prefixes[position] + suffix - log_partition).exp()
        leaving = transitions + (potentials[position] + suffix)  # (from, to, batch)
        expected += (prefixes[position - 1].unsqueeze(1) + leaving - log_partition).exp()
        suffix = torch.logsumexp(leaving, dim=1)
    marginals[0] = (prefixes[0] + suffix - log_partition).exp()
    return Posterior(log_partition, marginals, expected.permute(2, 0, 1))


def log_likelihood(
    emissions: torch.Tensor,
    mask: torch.Tensor,
    start: torch.Tensor,
    transitions: torch.Tensor,
    end: torch.Tensor,
    tags: torch.Tensor,
) -> torch.Tensor:
    """Score of the tags less the log-partition (Equations 15 and 16 of 2M-NER, with start and end scores).

    The arguments are those of `absorbing_chain`, in float32 or float64, and the tags, int64 (batch, length), of any
    value on the padding.

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
