"""The recursions of a linear chain compiled by Numba (the ``fast`` extra): the same results, several times faster.

The inner loops run over the batch, which is contiguous: vector instructions, whatever the number of tags. The kernels
hold no lock and start no threads, so any thread of a server may call them at any time.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import njit

from hf_mlm.models.layers.crf_likelihood import Chain, Posterior, exponentiate


def forward_backward(chain: Chain) -> Posterior:
    """Do what ``crf_recursions.forward_backward`` does, on CPU, rescaling at every step; ``chain`` is overwritten."""
    peaks = exponentiate(chain.potentials)  # (positions, batch)
    states, batch = chain.potentials.shape[1:]
    factors = chain.transitions.exp()
    scales = torch.empty_like(peaks)
    edges = factors.new_zeros(states, states, batch)
    arrays = (chain.potentials, factors, chain.start.exp(), scales, edges)
    _forward_backward(*(array.numpy() for array in arrays))
    log_partition = scales.log_().add_(peaks).sum(0)
    return Posterior(log_partition, chain.potentials, edges.mul_(factors.unsqueeze(2)).permute(2, 0, 1))


def viterbi(
    emissions: torch.Tensor,
    mask: torch.Tensor,
    start: torch.Tensor,
    transitions: torch.Tensor,
    end: torch.Tensor,
    tags: torch.Tensor,
) -> None:
    """Do what ``crf_viterbi.viterbi`` does, on CPU: fill ``tags`` where the mask, which may have gaps, is True."""
    arrays = (emissions, mask, start, transitions, end, tags)
    _viterbi(*(array.numpy() for array in arrays))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _forward_backward(
    factors: np.ndarray, transitions: np.ndarray, start: np.ndarray, scales: np.ndarray, edges: np.ndarray
) -> None:
    """Replace ``factors`` (positions, states, batch) by marginals; fill ``scales`` and, but a factor, ``edges``."""
    prefixes = np.empty(factors.shape)
    for state in range(len(start)):
        prefixes[0, state] = start[state] * factors[0, state]
    _normalise(prefixes[0], scales[0])
    for position in range(1, len(factors)):
        _mix(transitions.T, prefixes[position - 1], prefixes[position])
        _multiply(prefixes[position], factors[position], prefixes[position])
        _normalise(prefixes[position], scales[position])
    suffix = np.ones(prefixes[0].shape)  # without the position's own factor
    leaving = np.empty(suffix.shape)  # with it
    total = np.empty(suffix.shape[1])
    for position in range(len(factors) - 1, -1, -1):
        _multiply(factors[position], suffix, leaving)
        _multiply(prefixes[position], suffix, factors[position])
        _normalise(factors[position], total)
        if position > 0:
            _mix(transitions, leaving, suffix)
            _count(prefixes[position - 1], suffix, leaving, edges)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _mix(weights: np.ndarray, values: np.ndarray, result: np.ndarray) -> None:
    """Matrix product of (states, states) and (states, batch)."""
    states, batch = values.shape
    for state in range(states):
        for row in range(batch):
            result[state, row] = weights[state, 0] * values[0, row]
        for other in range(1, states):
            weight = weights[state, other]
            for row in range(batch):
                result[state, row] += weight * values[other, row]


@njit(nogil=True, cache=True)
def _multiply(left: np.ndarray, right: np.ndarray, result: np.ndarray) -> None:
    for state in range(len(result)):
        for row in range(result.shape[1]):
            result[state, row] = left[state, row] * right[state, row]


@njit(nogil=True, cache=True)
def _scale(values: np.ndarray, factor: np.ndarray) -> None:
    for state in range(len(values)):
        for row in range(len(factor)):
            values[state, row] *= factor[row]


@njit(nogil=True, cache=True, error_model="numpy")
def _normalise(values: np.ndarray, total: np.ndarray) -> None:
    """Divide (states, batch) by its sum over the states, kept in ``total``."""
    total[:] = 0
    for state in range(len(values)):
        for row in range(len(total)):
            total[row] += values[state, row]
    _scale(values, 1 / total)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _count(prefix: np.ndarray, suffix: np.ndarray, leaving: np.ndarray, edges: np.ndarray) -> None:
    """Rescale the messages of one step and add its share of each transition, but for exp(score), to ``edges``."""
    states, batch = prefix.shape
    total = np.zeros(batch)
    for state in range(states):
        for row in range(batch):
            total[row] += prefix[state, row] * suffix[state, row]
    factor = 1 / total
    _scale(suffix, factor)
    _scale(leaving, factor)
    for origin in range(states):
        for state in range(states):
            for row in range(batch):
                edges[origin, state, row] += prefix[origin, row] * leaving[state, row]


@njit(nogil=True, cache=True)
def _viterbi(
    emissions: np.ndarray,
    mask: np.ndarray,
    start: np.ndarray,
    transitions: np.ndarray,
    end: np.ndarray,
    tags: np.ndarray,
) -> None:
    """Fill ``tags`` (batch, length) under the mask with each row's best path over the words there."""
    batch, length, states = emissions.shape
    scores = np.zeros((length, states, batch), emissions.dtype)
    lengths = np.zeros(batch, np.int64)
    for position in range(length):  # outside, so that one line of the cache takes a tag's scores for many rows
        for row in range(batch):
            if mask[row, position]:
                word = lengths[row]
                for state in range(states):
                    scores[word, state, row] = emissions[row, position, state]
                lengths[row] = word + 1
    for state in range(states):
        scores[0, state] += start[state]
    _advance(scores, transitions)
    onward = np.empty((states + 1, states), scores.dtype)  # row: what comes next, a tag or the end
    onward[:states] = transitions.T
    onward[states] = end
    for row in range(batch):
        _retrace(scores[: lengths[row], :, row], onward, mask[row], tags[row])


@njit(nogil=True, cache=True)
def _retrace(scores: np.ndarray, onward: np.ndarray, mask: np.ndarray, tags: np.ndarray) -> None:
    """Follow one row's scores (words, states) back from the end to its first word."""
    states = scores.shape[1]
    word, tag = len(scores), states
    for position in range(len(mask) - 1, -1, -1):
        if mask[position]:
            word, following, tag = word - 1, tag, 0
            best = scores[word, 0] + onward[following, 0]
            for state in range(1, states):  # without branches, which would be mispredicted
                candidate = scores[word, state] + onward[following, state]
                tag = state if candidate > best else tag
                best = candidate if candidate > best else best
            tags[position] = tag


@njit(nogil=True, cache=True)
def _advance(scores: np.ndarray, transitions: np.ndarray) -> None:
    """Add to each word's scores, (length, states, batch), the best way there."""
    length, states, batch = scores.shape
    best = np.empty(batch, scores.dtype)
    for word in range(1, length):
        before, now = scores[word - 1], scores[word]
        for state in range(states):
            five, steps = _five(transitions, 0, state)
            for row in range(batch):
                best[row] = _best_of_five(before, five, steps, row)
            for first in range(5, states - 5, 5):
                five, steps = _five(transitions, first, state)
                for row in range(batch):
                    best[row] = max(best[row], _best_of_five(before, five, steps, row))
            five, steps = _five(transitions, max(0, states - 5), state)  # some for the second time, which does no harm
            for row in range(batch):
                now[state, row] += max(best[row], _best_of_five(before, five, steps, row))


@njit(nogil=True, cache=True)
def _five(transitions: np.ndarray, first: int, state: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Five origins from ``first`` on, the last one more than once where there are fewer, and their way to ``state``.

    So many at a time, because a pass over the rows costs more to begin than to run.
    """
    last = len(transitions) - 1
    a, b, c, d, e = first, min(first + 1, last), min(first + 2, last), min(first + 3, last), min(first + 4, last)
    steps = transitions[a, state], transitions[b, state], transitions[c, state], transitions[d, state]
    return (a, b, c, d, e), (*steps, transitions[e, state])


@njit(nogil=True, cache=True)
def _best_of_five(before: np.ndarray, origins: tuple[int, ...], steps: tuple[float, ...], row: int) -> float:
    a, b, c, d, e = origins
    to_a, to_b, to_c, to_d, to_e = steps
    left = max(before[a, row] + to_a, before[b, row] + to_b)
    right = max(before[c, row] + to_c, before[d, row] + to_d)
    return max(max(left, right), before[e, row] + to_e)
