"""The best path of a linear chain in NumPy, whose small operations cost a CPU a fraction of torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch


Array = npt.NDArray[Any]


def viterbi(
    emissions: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """Do what ``crf_viterbi.viterbi`` does, on CPU: both ends of all sentences advance towards their middle as one.

    Args:
        emissions: (batch, length, tags) scores; those of padding are never read.
        mask: (batch, length) bool, True on each row's first words and False on the padding after them.
        start: (tags,) scores of a first tag; -inf forbids it, here and below.
        transitions: (tags, tags) scores of a tag, by row, being followed by another.
        end: (tags,) scores of a last tag.

    Returns:
        int64 (batch, length) tags, of no meaning on the padding.
    """
    batch, length, tags = emissions.shape
    table = _table(transitions.numpy(), end.numpy())
    scores = _lanes(emissions.detach().numpy(), mask.numpy())  # (steps, states, 2 * batch)
    scores[0, :tags, :batch] += start.numpy()[:, None]
    _advance(scores, np.repeat(np.stack((table, table.T), axis=2), batch, axis=2))
    left, right = scores[-1, :, :batch], scores[-1, :, batch:]
    meeting = left[:, None] + table[:, :, None] + right  # (left state, right state, batch)
    best = meeting.reshape(-1, batch).argmax(0)
    path = _retrace(scores, table, np.concatenate(np.divmod(best, tags + 1)))  # (steps, 2 * batch)
    return torch.from_numpy(np.concatenate((path[::-1, :batch], path[:, batch:]))[:length].T)


def _table(transitions: Array, end: Array) -> Array:
    """Scores (from, to) of the transitions between tags and END, the last state, which is never left."""
    tags = len(end)
    table = np.full((tags + 1, tags + 1), -np.inf, end.dtype)
    table[:tags, :tags] = transitions
    table[:tags, tags] = end
    table[tags, tags] = 0
    return table


def _lanes(emissions: Array, mask: Array) -> Array:
    """Lay (batch, length, tags) out as (steps, tags + END, 2 * batch): from the first words, then from END."""
    batch, length, tags = emissions.shape
    steps = length // 2 + 1
    scores = np.full((2 * steps, tags + 1, batch), -np.inf, emissions.dtype)
    np.copyto(scores[:length, :tags], emissions.transpose(1, 2, 0), where=mask.T[:, None])
    scores[:length, tags][~mask.T] = 0
    scores[length:, tags] = 0
    return np.concatenate((scores[:steps], scores[: steps - 1 : -1]), axis=2)


def _advance(scores: Array, tables: Array) -> None:
    """Add to each step's scores, (steps, states, lanes), the best way there; tables (from, to, lanes)."""
    candidates, best = np.empty_like(tables), np.empty_like(scores[0])
    before = scores[:, :, None]  # each (from, 1, lanes)
    for step in range(1, len(scores)):
        np.add(before[step - 1], tables, out=candidates)
        np.maximum.reduce(candidates, axis=0, out=best)
        scores[step] += best


def _retrace(scores: Array, table: Array, middle: Array) -> Array:
    """Follow the best predecessors in one half of the lanes, successors in the other: (steps, lanes) from the middle.

    Args:
        scores: (steps, states, lanes) of the best ways to each state.
        table: (from, to).
        middle: (lanes,) states that the lanes meet with.
    """
    steps, states, lanes = scores.shape
    reached = np.ascontiguousarray(scores.transpose(0, 2, 1))  # (steps, lanes, states)
    neighbours = np.concatenate((table.T, table))  # a row for each state of a left lane, then of a right one
    offset = np.repeat((0, states), lanes // 2)
    candidates = np.empty_like(reached[0])
    path = np.empty((steps, lanes), np.int64)
    path[0] = rows = middle
    for row, step in enumerate(range(steps - 2, -1, -1), start=1):
        neighbours.take(rows + offset, axis=0, out=candidates, mode="clip")
        np.add(candidates, reached[step], out=candidates)
        path[row] = rows = candidates.argmax(1)
    return path
