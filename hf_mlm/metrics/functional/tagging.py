"""From tags, as strings or as ids, to one flat row of ids in which an outside tag follows every sentence."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt


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
