"""From tags, as strings or as ids, to one flat row of ids in which an outside tag follows every sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt


IGNORED = -100  # the id of positions that carry no tag
OUTSIDE = "O"


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
    references: npt.NDArray[np.int64]  # (M,)
    predictions: npt.NDArray[np.int64]  # (M,)
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
    rows, bounds = [], []
    for values, name in ((references, "references"), (predictions, "predictions")):
        sentences, separators = _sentences(values, name)
        numbers = map(numbering.__getitem__, _separated(sentences, OUTSIDE))
        rows.append(np.fromiter(numbers, np.int64, _total(separators)))
        bounds.append(separators)
    _check_lengths(*bounds)
    for tag in numbering:
        if not isinstance(tag, str) or not tag:
            raise ValueError(f"the tag {tag!r} is not a tag such as 'B-PER'; with integer ids, pass label_names too.")
    return TagPair(list(numbering), rows[0], rows[1], bounds[0])


def _from_ids(references: Any, predictions: Any, names: list[str]) -> TagPair:
    if OUTSIDE not in names or "" in names:
        raise ValueError(
            f"label_names {names} must hold {OUTSIDE!r}, the tag outside all entities, and no empty name."
        )
    gold, separators = _flat_ids(references, "references", names.index(OUTSIDE))
    predicted, predicted_separators = _flat_ids(predictions, "predictions", names.index(OUTSIDE))
    _check_lengths(separators, predicted_separators)
    scored = np.flatnonzero(gold != IGNORED)
    gold, predicted = gold[scored], predicted[scored]
    _check_ids(gold, len(names), "references")
    _check_ids(predicted, len(names), "predictions")
    return TagPair(names, gold, predicted, np.searchsorted(scored, separators))


def _flat_ids(values: Any, name: str, outside: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return all ids in one row with the separators, and the separators' positions."""
    if hasattr(values, "shape"):
        array = np.asarray(values)
        if array.ndim != 2 or array.dtype.kind not in "iu":
            raise ValueError(
                f"{name} has the shape {array.shape} and dtype {array.dtype}; give integer ids (sentences, words), "
                "decoded from the logits."
            )
        rows, width = array.shape
        separated = np.full((rows, width + 1), outside, np.int64)
        separated[:, :width] = array
        return separated.reshape(-1), np.arange(1, rows + 1) * (width + 1) - 1
    sentences, separators = _sentences(values, name)
    try:
        return np.fromiter(_separated(sentences, outside), np.int64, _total(separators)), separators
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must hold integer ids where label_names is given; drop it to score strings."
        ) from None


def _sentences(values: Any, name: str) -> tuple[list[Any], npt.NDArray[np.int64]]:
    """Return the sentences and the positions of their separators once they stand in one row."""
    sentences = list(values)
    for i, sentence in enumerate(sentences):
        if isinstance(sentence, str) or not hasattr(sentence, "__len__"):
            raise ValueError(f"{name}[{i}] is {sentence!r}, not a sentence; give a list of tags for each sentence.")
    lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
    return sentences, np.cumsum(lengths + 1) - 1


def _separated(sentences: list[Any], outside: Any) -> Iterable[Any]:
    return chain.from_iterable(chain.from_iterable(zip(sentences, repeat((outside,)), strict=False)))


def _total(separators: npt.NDArray[np.int64]) -> int:
    return int(separators[-1]) + 1 if len(separators) else 0


def _check_lengths(references: npt.NDArray[np.int64], predictions: npt.NDArray[np.int64]) -> None:
    if len(references) != len(predictions):
        raise ValueError(
            f"there are {len(references)} reference sentences and {len(predictions)} predicted ones; give the same "
            "sentences in the same order."
        )
    if not np.array_equal(references, predictions):
        lengths, predicted = (np.diff(separators, prepend=-1) - 1 for separators in (references, predictions))
        first = int(np.flatnonzero(lengths != predicted)[0])
        raise ValueError(
            f"sentence {first} has {lengths[first]} reference tags and {predicted[first]} predicted ones; give one of "
            "each for every word."
        )


def _check_ids(ids: npt.NDArray[np.int64], count: int, name: str) -> None:
    if len(ids) and not 0 <= ids.min() <= ids.max() < count:
        bad = ids[(ids < 0) | (ids >= count)][0]
        raise ValueError(
            f"{name} holds the id {bad} at a word that is scored, but label_names has {count} names (0 to {count - 1}); "
            f"only positions where references is {IGNORED} are left out."
        )
