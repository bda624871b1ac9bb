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
from hf_mlm.metrics.functional.tagging import OUTSIDE, Numbering, TagPair, Tags


Mode = Literal["lenient", "strict"]

_BARE = ("O", "B", "I", "E", "S")
_PREFIXES = ("B-", "I-", "E-", "S-")


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


def count_entities(
    pair: TagPair, mode: Mode, by: npt.NDArray[np.int64] | None = None, rows: int = 1
) -> tuple[list[str], Counts]:
    """Count true positives, predicted and gold entities per row and type.

    Args:
        pair: N sentences' tags.
        mode: ``"lenient"`` or ``"strict"``.
        by: (N,) the row that each sentence counts towards; row 0 for all if None.
        rows: how many there are.

    Returns:
        The types' names and (rows, types, 3) int64 counts.

    Raises:
        ValueError: where ``mode`` is unknown, or strict mode meets a tag that is not IOB2.
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode={mode!r} is unknown; choose one of {', '.join(get_args(Mode))}.")
    reading = _lenient(pair) if mode == "lenient" else _strict(pair)
    outside = pair.names.index(OUTSIDE)
    gold, predicted = (_extract(reading, tags, outside) for tags in (pair.references, pair.predictions))
    types = len(reading.type_names)
    columns = []
    for spans in (_common(gold, predicted, len(pair.references)), predicted, gold):
        row = 0 if by is None else by[np.searchsorted(pair.separators, spans.ends)]
        columns.append(np.bincount(row * types + spans.types, minlength=rows * types).reshape(rows, types))
    return reading.type_names, np.stack(columns, axis=-1)


def _extract(reading: Reading, tags: Tags, outside: int) -> Spans:
    """Find the entities of (M,) tag ids in which an outside tag follows every sentence."""
    quiet = tags == outside  # nothing happens in a step from outside to outside
    busy = np.flatnonzero(~(quiet[:-1] & quiet[1:]))
    steps = tags.take(busy).astype(np.int64) * len(reading.types) + tags.take(busy + 1)  # into the tables
    starting, ending = reading.starts.take(steps), np.flatnonzero(reading.ends.take(steps))
    starts = np.concatenate([[0], busy.take(np.flatnonzero(starting)) + 1])  # the first run starts at 0
    earlier: npt.NDArray[np.int64] = (
        np.cumsum(starting) - starting
    )  # how many others started before each busy position
    begins, ends = starts.take(earlier.take(ending)), busy.take(ending) + 1
    entities = np.flatnonzero(reading.opens.take(tags.take(begins)))
    ends, begins = ends.take(entities), begins.take(entities)
    return Spans(ends, begins, reading.types.take(tags.take(ends - 1)))


def _common(gold: Spans, predicted: Spans, length: int) -> Spans:
    """Return the entities that both have: equal end, begin and type."""
    ending = np.zeros((2, length), bool)
    ending[0, gold.ends] = ending[1, predicted.ends] = True
    mine = np.flatnonzero(ending[1].take(gold.ends))  # gold entities that end where a predicted one does,
    theirs = np.flatnonzero(ending[0].take(predicted.ends))  # and those predicted ones, in the same order
    ends, begins, types = (values.take(mine) for values in (gold.ends, gold.begins, gold.types))
    same = np.flatnonzero((begins == predicted.begins.take(theirs)) & (types == predicted.types.take(theirs)))
    return Spans(ends.take(same), begins.take(same), types.take(same))


def _lenient(pair: TagPair) -> Reading:
    odd = [name for name in pair.names if name not in _BARE and name[:2] not in _PREFIXES]
    for name in _occurring(pair, odd)[:1]:
        warnings.warn(f"{name!r} is no entity tag such as 'B-PER'; it is read as seqeval reads it.", stacklevel=2)
    type_names, types = _types([name[1:].split("-", maxsplit=1)[-1] or "_" for name in pair.names])
    changes = types[:, None] != types[None, :]

    def begins_with(letters: str) -> npt.NDArray[np.bool_]:
        return np.array([name[0] in letters for name in pair.names])

    inside = ~begins_with("O.")
    starts = begins_with("BS") | (begins_with("OES")[:, None] & begins_with("IE")) | (inside & changes)
    ends = begins_with("ES")[:, None] | (begins_with("BI")[:, None] & begins_with("OBS")) | (inside[:, None] & changes)
    return Reading(type_names, types, starts, ends, opens=np.ones(len(types), bool))


def _strict(pair: TagPair) -> Reading:
    for name in _occurring(pair, [name for name in pair.names if name[0] not in "OBI"]):
        raise ValueError(f"strict mode scores IOB2, where the tag {name!r} does not exist; use mode='lenient'.")
    type_names, types = _types([name[1:].strip("-") or "_" for name in pair.names])
    opens, continuing = (np.array([name[0] == letter for name in pair.names]) for letter in "BI")
    inside = opens | continuing
    continues = (types[:, None] == types) & inside[:, None] & continuing
    return Reading(type_names, types, inside & ~continues, inside[:, None] & ~continues, opens)


def _occurring(pair: TagPair, names: list[str]) -> list[str]:
    """Keep the names that some word has; usually there is none to look for."""
    ids = {name: pair.names.index(name) for name in names}
    return [name for name, i in ids.items() if (pair.references == i).any() or (pair.predictions == i).any()]


def _types(of_tags: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    numbering = Numbering()
    numbers = np.array([numbering[name] for name in of_tags])
    return list(numbering), numbers
