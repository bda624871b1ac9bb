"""The recursions of a linear chain compiled by Numba (the ``fast`` extra): the same results, several times faster.

The inner loops run over the batch, which is contiguous, so that they become vector instructions whatever the number
of tags. The kernels hold no lock and start no threads: any thread of a server may call them at any time.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import njit

from hf_mlm.models.layers.crf_recursions import Chain, Posterior, exponentiate


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
    emissions: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """Do what ``crf_viterbi.viterbi`` does, on CPU."""
    tags = torch.zeros(mask.shape, dtype=torch.int64)
    arrays = (emissions, mask.sum(1), start, transitions, end, tags)
    _viterbi(*(array.numpy() for array in arrays))
    return tags


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _forward_backward(
    factors: np.ndarray, transitions: np.ndarray, start: np.ndarray, scales: np.ndarray, edges: np.ndarray
) -> None:
    """Replace ``factors`` (positions, states, batch) by marginals; fill ``scales`` and, but for a factor, ``edges``."""
    positions, states, batch = factors.shape
    prefixes = np.empty((positions, states, batch))
    message, total = np.empty(batch), np.zeros(batch)
    for state in range(states):
        for row in range(batch):
            prefixes[0, state, row] = start[state] * factors[0, state, row]
            total[row] += prefixes[0, state, row]
    _rescale(prefixes[0], total, scales[0])
    for position in range(1, positions):
        total[:] = 0
        for state in range(states):
            _gather(prefixes[position - 1], transitions[:, state], message)
            for row in range(batch):
                value = message[row] * factors[position, state, row]
                prefixes[position, state, row] = value
                total[row] += value
        _rescale(prefixes[position], total, scales[position])
    _backward(factors, transitions, prefixes, edges)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _backward(factors: np.ndarray, transitions: np.ndarray, prefixes: np.ndarray, edges: np.ndarray) -> None:
    positions, states, batch = factors.shape
    suffix = np.ones((states, batch))  # without the position's own factor
    leaving = np.empty((states, batch))  # with it
    total, unused = np.empty(batch), np.empty(batch)
    for position in range(positions - 1, -1, -1):
        total[:] = 0
        for state in range(states):
            for row in range(batch):
                leaving[state, row] = factors[position, state, row] * suffix[state, row]
                value = prefixes[position, state, row] * suffix[state, row]
                factors[position, state, row] = value
                total[row] += value
        _rescale(factors[position], total, unused)
        if position > 0:
            total[:] = 0
            for state in range(states):
                _gather(leaving, transitions[state], suffix[state])
                for row in range(batch):
                    total[row] += prefixes[position - 1, state, row] * suffix[state, row]
            _rescale(suffix, total, unused)
            _rescale(leaving, total, unused)
            for origin in range(states):
                for state in range(states):
                    for row in range(batch):
                        edges[origin, state, row] += prefixes[position - 1, origin, row] * leaving[state, row]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _gather(values: np.ndarray, weights: np.ndarray, result: np.ndarray) -> None:
    """Weighted sum of the rows of ``values`` (states, batch)."""
    for row in range(len(result)):
        result[row] = values[0, row] * weights[0]
    for state in range(1, len(values)):
        weight = weights[state]
        for row in range(len(result)):
            result[row] += values[state, row] * weight


@njit(nogil=True, cache=True, error_model="numpy")
def _rescale(values: np.ndarray, total: np.ndarray, copy: np.ndarray) -> None:
    for row in range(len(total)):
        copy[row] = 1 / total[row]
    for state in range(len(values)):
        for row in range(len(total)):
            values[state, row] *= copy[row]
    copy[:] = total


@njit(nogil=True, cache=True)
def _viterbi(
    emissions: np.ndarray,
    lengths: np.ndarray,
    start: np.ndarray,
    transitions: np.ndarray,
    end: np.ndarray,
    tags: np.ndarray,
) -> None:
    """Fill ``tags`` (batch, length) with the best path of each row's first ``lengths`` words."""
    batch, length, states = emissions.shape
    scores = np.zeros((length, states, batch), emissions.dtype)
    for row in range(batch):
        for position in range(lengths[row]):
            for state in range(states):
                scores[position, state, row] = emissions[row, position, state]
    for state in range(states):
        scores[0, state] += start[state]
    best = np.empty(batch, emissions.dtype)
    for position in range(1, length):
        for state in range(states):
            best[:] = scores[position - 1, 0] + transitions[0, state]
            for origin in range(1, states):
                step = transitions[origin, state]
                for row in range(batch):
                    candidate = scores[position - 1, origin, row] + step
                    best[row] = candidate if candidate > best[row] else best[row]
            scores[position, state] += best
    for row in range(batch):
        if lengths[row] > 0:
            _retrace(scores[: lengths[row], :, row], transitions, end, tags[row])


@njit(nogil=True, cache=True)
def _retrace(scores: np.ndarray, transitions: np.ndarray, end: np.ndarray, tags: np.ndarray) -> None:
    """Follow one row's scores (length, states) back from its best last tag."""
    tag = _best(scores[-1], end)
    tags[len(scores) - 1] = tag
    for position in range(len(scores) - 2, -1, -1):
        tag = _best(scores[position], transitions[:, tag])
        tags[position] = tag


@njit(nogil=True, cache=True)
def _best(scores: np.ndarray, onward: np.ndarray) -> int:
    """First state of the largest sum; without branches, which here would be mispredicted."""
    best, score = 0, scores[0] + onward[0]
    for state in range(1, len(scores)):
        candidate = scores[state] + onward[state]
        best = state if candidate > score else best
        score = candidate if candidate > score else score
    return best
