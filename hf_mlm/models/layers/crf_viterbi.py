"""The best path of a linear chain: for a whole batch at once, and once more in the form that can be exported."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch._higher_order_ops.scan import scan


def viterbi(
    emissions: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """Find the tags of highest score (Viterbi 1967), from both ends of the sentences towards their middle.

    Both halves advance as one batch, so there are half as many steps. A sentence shorter than the longest goes on in
    one more state, END, that is never left (see ``crf_recursions``).

    Args:
        emissions: (batch, length, tags) scores; those of padding are never read.
        mask: (batch, length) bool, True on each row's first words and False on the padding after them.
        start: (tags,) scores of a first tag; -inf forbids it, here and below.
        transitions: (tags, tags) scores of a tag, by row, being followed by another.
        end: (tags,) scores of a last tag.

    Returns:
        int64 (batch, length) tags, of no meaning on the padding.
    """
    with torch.inference_mode():  # spares each small operation its bookkeeping
        left, right = _both_halves(emissions, mask, start, transitions, end)
    return torch.cat((left.flip(0), right))[: emissions.shape[1]].T


def _both_halves(
    emissions: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Best tags from the middle to the first word, and from there to the last: each (steps, batch)."""
    tags = emissions.shape[2]
    table = transitions.new_full((tags + 1, tags + 1), -torch.inf)  # (from, to)
    table[:tags, :tags] = transitions
    table[:tags, tags] = end
    table[tags, tags] = 0
    scores = _halves(emissions, mask)  # (steps, 2, states, batch)
    scores[0, 0, :tags].add_(start.unsqueeze(1))
    _advance(scores, torch.stack((table, table.T)).unsqueeze(3))
    meeting = scores[-1, 0].unsqueeze(1) + table.unsqueeze(2) + scores[-1, 1]  # (left state, right state, batch)
    best = meeting.flatten(0, 1).T.argmax(1)  # (batch,)
    return _retrace(scores, table, best // (tags + 1), best % (tags + 1))


def _halves(emissions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Lay (batch, length, tags) out as (steps, 2, tags + END, batch): lane 0 from the first word, lane 1 from END."""
    batch, length, tags = emissions.shape
    steps = length // 2 + 1
    position = torch.arange(steps, device=mask.device)
    order = torch.stack((position, 2 * steps - 1 - position), dim=1).flatten()  # (2 * steps,)
    source = order.clamp(max=length - 1)
    padding = ~(mask.index_select(1, source) & (order < length)).T.view(steps, 2, 1, batch)
    scores = emissions.new_empty(steps, 2, tags + 1, batch)
    scores[:, :, :tags] = emissions.index_select(1, source).view(batch, steps, 2, tags).permute(1, 2, 3, 0)
    scores[:, :, :tags].masked_fill_(padding, -torch.inf)
    scores[:, :, tags:].fill_(-torch.inf).masked_fill_(padding, 0)
    return scores


def _advance(scores: torch.Tensor, tables: torch.Tensor) -> None:
    """Add to each step's scores, (steps, 2, states, batch), the best way there; tables (2, from, to, 1)."""
    lanes = scores.unsqueeze(3).unbind(0)  # each (2, states, 1, batch)
    candidates = torch.empty_like(tables + lanes[0])  # (2, from, to, batch)
    best = torch.empty_like(lanes[0])
    best_by_tag = best.squeeze(2)
    for step in range(1, len(lanes)):
        torch.add(lanes[step - 1], tables, out=candidates)
        torch.amax(candidates, 1, out=best_by_tag)
        lanes[step].add_(best)


def _retrace(
    scores: torch.Tensor, table: torch.Tensor, left: torch.Tensor, right: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Follow the best predecessors of ``left`` and successors of ``right``: each (steps, batch), the middle first."""
    steps, _, states, batch = scores.shape
    reached = scores.transpose(2, 3).reshape(steps, 2 * batch, states).unbind(0)
    neighbours = torch.cat((table.T, table))  # row of a left state: scores of what precedes; of a right one: follows
    lane = torch.cat((torch.zeros_like(left), torch.full_like(right, states)))  # (2 * batch,), first row of each
    rows = torch.cat((left, right)) + lane
    candidates = torch.empty_like(reached[0])
    path = [rows]
    for step in range(steps - 2, -1, -1):
        torch.index_select(neighbours, 0, rows, out=candidates)
        rows = candidates.add_(reached[step]).argmax(1).add_(lane)
        path.append(rows)
    tags = torch.stack(path).remainder_(states).view(steps, 2, batch)
    return tags[:, 0], tags[:, 1]


def viterbi_scan(
    emissions: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """Do what `viterbi` does as two scans over the words, which ``torch.export`` keeps for any batch and length.

    The mask may have gaps. Outside of an exported program it would be compiled at every call.
    """
    itself = torch.arange(emissions.shape[2], device=emissions.device)

    def advance(
        carry: tuple[torch.Tensor, torch.Tensor], word: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
        (score, started), (emission, present) = carry, word
        best, origin = (score.unsqueeze(2) + transitions).max(1)  # each (batch, tags)
        reached = torch.where(started, best, score) + emission
        score = torch.where(present, reached, score)
        return (score, started | present), torch.where(present, origin, itself)

    def retrace(tag: torch.Tensor, origin: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return origin.gather(1, tag), tag.clone()

    beginning = (start.expand(emissions.shape[0], -1).clone(), torch.zeros_like(mask[:, :1]))
    words = (emissions.transpose(0, 1), mask.T.unsqueeze(2))
    (score, _), origins = scan(advance, beginning, words)  # origins: (length, batch, tags)
    _, tags = scan(retrace, (score + end).argmax(1, keepdim=True), origins, reverse=True)
    return tags.squeeze(2).T


Array = npt.NDArray[Any]


def viterbi_numpy(
    emissions: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """Do what `viterbi` does, on CPU: both ends of all sentences advance towards their middle as one."""
    batch, length, tags = emissions.shape
    table = _table(transitions.numpy(), end.numpy())
    scores = _lanes(emissions.detach().numpy(), mask.numpy())  # (steps, states, 2 * batch)
    scores[0, :tags, :batch] += start.numpy()[:, None]
    _advance_numpy(scores, np.repeat(np.stack((table, table.T), axis=2), batch, axis=2))
    left, right = scores[-1, :, :batch], scores[-1, :, batch:]
    meeting = left[:, None] + table[:, :, None] + right  # (left state, right state, batch)
    best = meeting.reshape(-1, batch).argmax(0)
    path = _retrace_numpy(scores, table, np.concatenate(np.divmod(best, tags + 1)))  # (steps, 2 * batch)
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


def _advance_numpy(scores: Array, tables: Array) -> None:
    """Add to each step's scores, (steps, states, lanes), the best way there; tables (from, to, lanes)."""
    candidates, best = np.empty_like(tables), np.empty_like(scores[0])
    before = scores[:, :, None]  # each (from, 1, lanes)
    for step in range(1, len(scores)):
        np.add(before[step - 1], tables, out=candidates)
        np.maximum.reduce(candidates, axis=0, out=best)
        scores[step] += best


def _retrace_numpy(scores: Array, table: Array, middle: Array) -> Array:
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
