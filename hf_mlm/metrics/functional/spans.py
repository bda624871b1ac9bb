"""Entity spans: tags to flat arrays of ids, those to spans, and spans to counts of hits."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from hf_mlm.metrics.functional.scores import Counts


IGNORED = -100  # the id of positions that carry no tag
OUTSIDE = "O"
_BLOCK_IDS = 1 << 17  # padded arrays are taken in blocks that stay in the processor's cache

Tags = npt.NDArray[np.signedinteger[Any]]


class Numbering(dict[Any, int]):
    """Numbers keys in the order of their first appearance.

    Example:
        >>> numbering = Numbering()
        >>> numbering["B-PER"], numbering["O"], numbering["B-PER"]
        (0, 1, 0)
    """

    def __missing__(self, key: Any) -> int:
        self[key] = number = len(self)
        return number


@dataclass(frozen=True)
class TagPair:
    """Reference and predicted tags of N sentences with W words in all, and N separators (M = W + N)."""

    names: list[str]  # tag of each id
    references: Tags  # (M,)
    predictions: Tags  # (M,)
    separators: npt.NDArray[np.int64]  # (N,) position of the outside tag that follows each sentence


def tag_pair(references: Any, predictions: Any, label_names: Sequence[str] | None = None) -> TagPair:
    """Lay references and predictions out for span extraction.

    Args:
        references: N sentences, each a sequence of tag strings; or integer ids, (N, L) or ragged, where −100 marks
            positions to leave out (padding, and sub-tokens that start no word).
        predictions: the same for the same words; ids at left-out positions are not read.
        label_names: the tag of each id; exactly when ids are given.

    Raises:
        ValueError: where sentences or their lengths differ, an id has no name, a tag is empty or no string, or
            ``label_names`` lacks ``"O"``.
    """
    if label_names is None:
        return _from_strings(references, predictions)
    return _from_ids(references, predictions, [str(name) for name in label_names])


def _from_strings(references: Any, predictions: Any) -> TagPair:
    numbering = Numbering({OUTSIDE: 0})
    rows, ends = [], []
    for values, name in ((references, "references"), (predictions, "predictions")):
        row, separators = _laid_out(values, OUTSIDE, name, numbering.__getitem__)
        rows.append(row)
        ends.append(separators)
    _check_lengths(*ends)
    for tag in numbering:
        if not isinstance(tag, str) or not tag:
            raise ValueError(f"the tag {tag!r} is not a tag such as 'B-PER'; with integer ids, pass label_names too.")
    return TagPair(list(numbering), rows[0], rows[1], ends[0])


def _from_ids(references: Any, predictions: Any, names: list[str]) -> TagPair:
    if OUTSIDE not in names or "" in names:
        raise ValueError(f"label_names {names} must hold {OUTSIDE!r}, the tag outside all entities, and no empty one.")
    references, predictions = _id_rows(references, "references"), _id_rows(predictions, "predictions")
    _check_sentences(len(references), len(predictions))
    step = _BLOCK_IDS // (references.shape[1] + 1) + 1 if isinstance(references, np.ndarray) else len(references) + 1
    starts = range(0, max(1, len(references)), step)
    blocks = [(references[i : i + step], predictions[i : i + step]) for i in starts]
    parts = [_scored(*block, names) for block in blocks]
    gold, predicted = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    offsets = np.cumsum([0, *(len(part[0]) for part in parts)])
    separators = np.concatenate([part[2] + offset for part, offset in zip(parts, offsets, strict=False)])
    return TagPair(names, gold, predicted, separators)


def _scored(references: Any, predictions: Any, names: list[str]) -> tuple[Tags, Tags, npt.NDArray[np.int64]]:
    """Leave the ignored positions out of a block of sentences."""
    gold, separators = _flat_ids(references, names.index(OUTSIDE), "references")
    predicted, predicted_separators = _flat_ids(predictions, names.index(OUTSIDE), "predictions")
    _check_lengths(separators, predicted_separators)
    scored = np.flatnonzero(gold != IGNORED)
    rows = []
    for row, name in ((gold.take(scored), "references"), (predicted.take(scored), "predictions")):
        _check_ids(row, len(names), name)
        rows.append(row.astype(np.min_scalar_type(-len(names))))
    return rows[0], rows[1], np.searchsorted(scored, separators)


def _id_rows(values: Any, name: str) -> Any:
    if not hasattr(values, "shape"):
        return list(values)
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{name} has the shape {array.shape} and dtype {array.dtype}; give integer ids (sentences, words), which "
            "are decoded from the logits."
        )
    return array


def _flat_ids(rows: Any, outside: int, name: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    if not isinstance(rows, np.ndarray):
        return _laid_out(rows, outside, name, operator.index)
    count, width = rows.shape
    separated = np.full((count, width + 1), outside, np.int32)
    separated[:, :width] = rows
    return separated.reshape(-1), np.arange(1, count + 1) * (width + 1) - 1


def _laid_out(
    values: Any, outside: Any, name: str, number: Callable[[Any], int]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Put sentences and separators into one row of numbers; return it and where the separators stand."""
    sentences = list(values)
    for i, sentence in enumerate(sentences):
        if isinstance(sentence, str) or not hasattr(sentence, "__len__"):
            raise ValueError(f"{name}[{i}] is {sentence!r}, not a sentence; give a list of tags for each sentence.")
    separators = np.cumsum(np.fromiter(map(len, sentences), np.int64, len(sentences)) + 1) - 1
    tags = chain.from_iterable(chain.from_iterable(zip(sentences, repeat((outside,)), strict=False)))
    try:
        return np.fromiter(map(number, tags), np.int32, int(separators[-1:].sum()) + bool(sentences)), separators
    except TypeError:
        raise ValueError(
            f"{name} holds something that is neither all tag strings nor, with label_names, all integer ids."
        ) from None


def _check_sentences(references: int, predictions: int) -> None:
    if references != predictions:
        raise ValueError(
            f"there are {references} reference sentences and {predictions} predicted ones; give the same sentences in "
            "the same order."
        )


def _check_lengths(references: npt.NDArray[np.int64], predictions: npt.NDArray[np.int64]) -> None:
    _check_sentences(len(references), len(predictions))
    if not np.array_equal(references, predictions):
        lengths, predicted = (np.diff(ends, prepend=-1) - 1 for ends in (references, predictions))
        first = int(np.flatnonzero(lengths != predicted)[0])
        raise ValueError(
            f"sentence {first} has {lengths[first]} reference tags and {predicted[first]} predicted ones; give one of "
            "each for every word."
        )


def _check_ids(ids: npt.NDArray[np.int32], count: int, name: str) -> None:
    if len(ids) and not 0 <= ids.min() <= ids.max() < count:
        bad = ids[(ids < 0) | (ids >= count)][0]
        raise ValueError(
            f"{name} holds the id {bad} at a scored word, but label_names has {count} names (0 to {count - 1}); only "
            f"positions where references is {IGNORED} are left out."
        )


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
