"""Entity spans: tags to flat arrays of ids, those to spans, and spans to counts of hits."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Literal, NamedTuple, get_args

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
_MODES: tuple[str, ...] = get_args(Mode)
_LENIENT_LETTERS = ("B", "I", "E", "S")

# seqeval's schemes: their letters, then the steps that start, continue and end an entity. A step is the letter before,
# the letter after, and whether the types are equal (=), differ (!) or do not matter (?); * is any letter.
_PATTERNS = {
    "IOB1": ("IOB", "OI? II! BI? IB= BB=", "BI= II=", "II! IO? IB? BO? BI! BB="),
    "IOB2": ("IOB", "*B?", "BI= II=", "IO? II! IB? BO? BI! BB?"),
    "IOE1": ("IOE", "OI? II! EI? EE=", "II= IE=", "II! IO? IE! EI= EE="),
    "IOE2": ("IOE", "OI? OE? EI? EE? II! IE!", "IE= II=", "E*?"),
    "IOBES": ("IOBES", "*B? *S?", "BI= BE= II= IE=", "S*? E*?"),
    "BILOU": ("BILOU", "*B? *U?", "BI= BL= II= IL=", "U*? L*?"),
}
SCHEMES = tuple(_PATTERNS)


class Rule(NamedTuple):
    """A way to read entities off tags.

    Args:
        scheme: one of `SCHEMES`, read strictly; None reads leniently, as conlleval and seqeval's default.
        suffix: whether the letter stands behind the type, as in PER-B.
    """

    scheme: str | None = None
    suffix: bool = False

    def letter(self, tag: str) -> str:
        """Give the letter of a tag."""
        return tag[-1 if self.suffix else 0]

    def type(self, tag: str) -> str:
        """Give the type of a tag, ``"_"`` where it has none."""
        rest = tag[:-1] if self.suffix else tag[1:]
        if self.scheme is not None:
            return rest.strip("-") or "_"
        return (rest.rsplit("-", maxsplit=1)[0] if self.suffix else rest.split("-", maxsplit=1)[-1]) or "_"

    def is_regular(self, tag: str) -> bool:
        """Tell whether a tag is one of the scheme, or by lenient reading, one that seqeval does not warn of."""
        if self.scheme is not None:
            return self.letter(tag) in _PATTERNS[self.scheme][0]
        parts = (tag[-2:-1], tag[-1]) if self.suffix else (tag[1:2], tag[0])
        return tag in (OUTSIDE, *_LENIENT_LETTERS) or (parts[0] == "-" and parts[1] in _LENIENT_LETTERS)


LENIENT, STRICT = Rule(), Rule("IOB2")


def rules_of(mode: str, scheme: str | None = None, suffix: bool = False) -> list[Rule]:
    """List the rules that a mode asks for; the first one that fits the tags is meant.

    Raises:
        ValueError: where there is no such mode or scheme.
    """
    if mode not in _MODES:
        raise ValueError(f"Expected mode to be one of {', '.join(_MODES)}, found {mode!r}.")
    if scheme is not None and scheme not in SCHEMES:
        raise ValueError(f"Expected scheme to be one of {', '.join(SCHEMES)}, found {scheme!r}.")
    if mode == "lenient":
        return [Rule(None, suffix)]
    return [Rule(name, suffix) for name in ((scheme,) if scheme else ("IOB2", "IOE2", "IOBES", "BILOU"))]


def irregular(pair: TagPair, rule: Rule) -> str | None:
    """Find a tag that occurs and is none of the rule's; usually there is none to look for."""
    for name in (name for name in pair.names if not rule.is_regular(name)):
        number = pair.names.index(name)
        if (pair.references == number).any() or (pair.predictions == number).any():
            return name
    return None


@dataclass(frozen=True)
class Reading:
    """Meaning of tags: their types, and the events of a step from one tag to the next."""

    type_names: list[str]
    types: npt.NDArray[np.int64]  # (tags,) number of the tag's type
    starts: npt.NDArray[np.bool_]  # (tags, tags) whether an entity may start at the second tag
    ends: npt.NDArray[np.bool_]  # (tags, tags) whether an entity may end after the first tag
    inside: npt.NDArray[np.bool_] | None = None  # (tags, tags) whether it goes on at the second tag; strict only


@dataclass(frozen=True)
class Spans:
    """Entities of one row of tags, in order; an entity is known by the position after its last word."""

    ends: npt.NDArray[np.int64]  # (entities,)
    begins: npt.NDArray[np.int64]  # (entities,)
    types: npt.NDArray[np.int64]  # (entities,)


def count_entities(
    pair: TagPair, rule: Rule = LENIENT, by: npt.NDArray[np.int64] | None = None, rows: int = 1
) -> tuple[list[str], Counts]:
    """Count true positives, predicted and gold entities per row and type.

    Args:
        pair: N sentences' tags.
        rule: way to read them.
        by: (N,) the row that each sentence counts towards; row 0 for all if None.
        rows: number of rows.

    Returns:
        The types' names and (rows, types, 3) int64 counts.
    """
    names, gold, predicted = extract(pair, rule)
    types = len(names)
    columns = []
    for spans in (_common(gold, predicted, len(pair.references)), predicted, gold):
        row = 0 if by is None else by[np.searchsorted(pair.separators, spans.ends)]
        columns.append(np.bincount(row * types + spans.types, minlength=rows * types).reshape(rows, types))
    return names, np.stack(columns, axis=-1)


def extract(pair: TagPair, rule: Rule = LENIENT) -> tuple[list[str], Spans, Spans]:
    """Find the gold and the predicted entities; return the types' names and both."""
    reading = _lenient(pair.names, rule) if rule.scheme is None else _strict(pair.names, rule)
    outside = pair.names.index(OUTSIDE)
    gold, predicted = (_extract(reading, tags, outside) for tags in (pair.references, pair.predictions))
    return reading.type_names, gold, predicted


def _extract(reading: Reading, tags: Tags, outside: int) -> Spans:
    """Find the entities of (M,) tag ids in which an outside tag follows every sentence."""
    is_strict = reading.inside is not None
    if is_strict:  # a step to the first tag; by lenient reading an entity may start at 0 in any case
        tags = np.concatenate([np.array([outside], tags.dtype), tags])
    quiet = tags == outside  # nothing happens in a step from outside to outside
    busy = np.flatnonzero(~(quiet[:-1] & quiet[1:]))
    steps = tags.take(busy).astype(np.int64) * len(reading.types) + tags.take(busy + 1)  # into the tables
    starting, ending = reading.starts.take(steps), reading.ends.take(steps)
    if reading.inside is not None:
        starting, ending = _runs(starting, reading.inside.take(steps), ending)
    starts = np.concatenate([[0], busy.take(np.flatnonzero(starting)) + 1])
    earlier: npt.NDArray[np.int64] = np.cumsum(starting) - starting  # how many started before each busy position
    closing = np.flatnonzero(ending)
    begins, ends = starts.take(earlier.take(closing)), busy.take(closing) + 1
    return Spans(ends - is_strict, begins - is_strict, reading.types.take(tags.take(ends - 1)))


def _runs(
    starting: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_], ending: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Follow runs of tags as seqeval's schemes do: give the steps where one starts, and where one ends well."""
    settled = starting | ~inside  # whether a run is under way does not depend on the step before
    settled[:1] = True
    last = np.maximum.accumulate(np.where(settled, np.arange(len(settled)), 0))
    before = np.concatenate([[False], starting.take(last)[:-1]])  # whether one was under way
    return starting & ~(before & inside), before & ~inside & ending


def _common(gold: Spans, predicted: Spans, length: int) -> Spans:
    """Return the entities that both have: equal end, begin and type."""
    ending = np.zeros((2, length), bool)
    ending[0, gold.ends] = ending[1, predicted.ends] = True
    mine = np.flatnonzero(ending[1].take(gold.ends))  # gold entities that end where a predicted one does,
    theirs = np.flatnonzero(ending[0].take(predicted.ends))  # and those predicted ones, in the same order
    ends, begins, types = (values.take(mine) for values in (gold.ends, gold.begins, gold.types))
    same = np.flatnonzero((begins == predicted.begins.take(theirs)) & (types == predicted.types.take(theirs)))
    return Spans(ends.take(same), begins.take(same), types.take(same))


def _lenient(names: Sequence[str], rule: Rule) -> Reading:
    type_names, types = _types([rule.type(name) for name in names])
    changes = types[:, None] != types[None, :]

    def is_any(letters: str) -> npt.NDArray[np.bool_]:
        return np.array([rule.letter(name) in letters for name in names])

    inside = ~is_any("O.")
    starts = is_any("BS") | (is_any("OES")[:, None] & is_any("IE")) | (inside & changes)
    ends = is_any("ES")[:, None] | (is_any("BI")[:, None] & is_any("OBS")) | (inside[:, None] & changes)
    return Reading(type_names, types, starts, ends)


def _strict(names: Sequence[str], rule: Rule) -> Reading:
    type_names, types = _types([rule.type(name) for name in names])
    letters = np.array([rule.letter(name) for name in names])
    equal = types[:, None] == types
    kinds = {"=": equal, "!": ~equal, "?": np.ones_like(equal)}

    def is_letter(letter: str) -> npt.NDArray[np.bool_]:
        return np.ones(len(names), bool) if letter == "*" else letters == letter

    def table(steps: str) -> npt.NDArray[np.bool_]:
        parts = [is_letter(step[0])[:, None] & is_letter(step[1]) & kinds[step[2]] for step in steps.split()]
        return np.logical_or.reduce(parts)

    starts, inside, ends = map(table, _PATTERNS[str(rule.scheme)][1:])
    return Reading(type_names, types, starts, ends, inside)


def _types(of_tags: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    numbering = Numbering()
    numbers = np.array([numbering[name] for name in of_tags])
    return list(numbering), numbers
