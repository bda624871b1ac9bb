"""Entity spans from tags, in one pass over all sentences, under seqeval's two readings of a row of tags.

Whether an entity starts or ends between two neighbours depends on nothing but their two tags, so a reading is a table
over pairs of tags. *Lenient* is conlleval's: an entity also starts at an I- after O or after another type. *Strict* is
IOB2: an entity starts at a B-, and an I- that continues no B- belongs to none.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hf_mlm.metrics.functional.scores import Counts
from hf_mlm.metrics.functional.tagging import Numbering, TagPair


Mode = Literal["lenient", "strict"]


@dataclass(frozen=True)
class Reading:
    """What tags mean: their types, and what happens in the step from one tag to the next."""

    type_names: list[str]
    types: npt.NDArray[np.int64]  # (tags,) number of the tag's type
    starts: npt.NDArray[np.bool_]  # (tags, tags) whether a run starts at the second tag
    ends: npt.NDArray[np.bool_]  # (tags, tags) whether a run ends after the first tag
    opens: npt.NDArray[np.bool_]  # (tags,) whether a run that starts at this tag is an entity


@dataclass(frozen=True)
class Spans:
    """Entities of one row of tags, in order; an entity is known by the position after its last word."""

    ends: npt.NDArray[np.int64]  # (entities,)
    begins: npt.NDArray[np.int64]  # (entities,)
    types: npt.NDArray[np.int64]  # (entities,)


def count_entities(pair: TagPair, mode: Mode, by: npt.NDArray[np.int64], rows: int) -> tuple[list[str], Counts]:
    """Count true positives, predicted and gold entities per row and type.

    Args:
        pair: N sentences' tags.
        mode: ``"lenient"`` or ``"strict"``.
        by: (N,) the row that each sentence counts towards.
        rows: how many there are.

    Returns:
        The types' names and (rows, types, 3) int64 counts.

    Raises:
        ValueError: where ``mode`` is unknown, or strict mode meets a tag that is not IOB2.
    """
    reading = _reading(pair, mode)
    gold, predicted = _extract(reading, pair.references), _extract(reading, pair.predictions)
    shape = (rows, len(reading.type_names))
    counts = np.zeros((*shape, 3), np.int64)
    for column, spans in enumerate((_common(gold, predicted, len(pair.references)), predicted, gold)):
        sentences = np.searchsorted(pair.separators, spans.ends)
        cells = by[sentences] * shape[1] + spans.types
        counts[..., column] = np.bincount(cells, minlength=rows * shape[1]).reshape(shape)
    return reading.type_names, counts


def _extract(reading: Reading, tags: npt.NDArray[np.int64]) -> Spans:
    """Find the entities of (M,) tag ids in which an outside tag follows every sentence."""
    steps = tags[:-1] * len(reading.types) + tags[1:]  # (M - 1,) into the tables, for the step to each later position
    starts = np.concatenate([[0], np.flatnonzero(reading.starts.take(steps)) + 1])  # the first run starts at 0
    ends = np.flatnonzero(reading.ends.take(steps)) + 1
    begins = starts[np.searchsorted(starts, ends) - 1]  # the last start before each end
    entities = reading.opens[tags[begins]]
    ends, begins = ends[entities], begins[entities]
    return Spans(ends, begins, reading.types[tags[ends - 1]])


def _common(gold: Spans, predicted: Spans, length: int) -> Spans:
    """Return the entities that both have: equal begin, end and type."""
    at = np.full(length, -1)
    at[predicted.ends] = np.arange(len(predicted.ends))
    match = at[gold.ends]  # (gold entities,) number of the predicted entity with the same end, or -1
    found = np.flatnonzero(match >= 0)
    match = match[found]
    same = (gold.begins[found] == predicted.begins[match]) & (gold.types[found] == predicted.types[match])
    return Spans(*(values[found[same]] for values in (gold.ends, gold.begins, gold.types)))


def _reading(pair: TagPair, mode: Mode) -> Reading:
    if mode not in get_args(Mode):
        raise ValueError(f"mode={mode!r} is unknown; choose one of {', '.join(get_args(Mode))}.")
    used = np.bincount(pair.references, minlength=len(pair.names)) + np.bincount(
        pair.predictions, minlength=len(pair.names)
    )
    occurring = [name for name, count in zip(pair.names, used, strict=True) if count]
    return _strict(pair.names, occurring) if mode == "strict" else _lenient(pair.names, occurring)


def _lenient(names: Sequence[str], occurring: Sequence[str]) -> Reading:
    odd = [name for name in occurring if name[:2] not in ("O", "B", "I", "E", "S", "B-", "I-", "E-", "S-")]
    if odd:
        warnings.warn(f"{odd[0]!r} is no entity tag such as 'B-PER'; it is read as seqeval reads it.", stacklevel=4)
    prefix = np.array([name[0] for name in names])
    before, after = prefix[:, None], prefix[None, :]
    type_names, types = _types([name[1:].split("-", maxsplit=1)[-1] or "_" for name in names])
    changes = types[:, None] != types[None, :]
    inside = ~np.isin(prefix, ["O", "."])
    starts = np.isin(after, ["B", "S"]) | (np.isin(before, ["O", "E", "S"]) & np.isin(after, ["I", "E"]))
    ends = np.isin(before, ["E", "S"]) | (np.isin(before, ["B", "I"]) & np.isin(after, ["O", "B", "S"]))
    return Reading(
        type_names,
        types,
        starts=starts | (inside[None, :] & changes),
        ends=ends | (inside[:, None] & changes),
        opens=np.ones(len(names), bool),
    )


def _strict(names: Sequence[str], occurring: Sequence[str]) -> Reading:
    odd = [name for name in occurring if name[0] not in "OBI"]
    if odd:
        raise ValueError(f"strict mode scores IOB2, where the tag {odd[0]!r} does not exist; use mode='lenient'.")
    prefix = np.array([name[0] for name in names])
    type_names, types = _types([name[1:].strip("-") or "_" for name in names])
    inside = np.isin(prefix, ["B", "I"])
    continues = (types[:, None] == types[None, :]) & inside[:, None] & (prefix == "I")[None, :]
    starts, ends = inside[None, :] & ~continues, inside[:, None] & ~continues
    return Reading(type_names, types, starts, ends, opens=prefix == "B")


def _types(of_tags: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    numbering = Numbering()
    numbers = np.array([numbering[name] for name in of_tags])
    return list(numbering), numbers
