"""Errors of entity predictions: kinds, confusion of types, and the four schemes of SemEval 2013, task 9.1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from hf_mlm.metrics.functional.spans import Spans, extract, tag_pair


KINDS = ("correct", "wrong_type", "wrong_boundary", "wrong_type_and_boundary", "missed", "invented")
SCHEMES = ("strict", "exact", "partial", "type")  # SemEval 2013: what has to be right


class Mention(NamedTuple):
    """An entity: its type, and its words ``start … stop − 1``."""

    type: str
    start: int
    stop: int


class Match(NamedTuple):
    """A gold entity, a predicted one, or both where they overlap, and one of ``KINDS``."""

    kind: str
    gold: Mention | None
    found: Mention | None


def error_report(
    references: Any, predictions: Any, label_names: Sequence[str] | None = None
) -> tuple[dict[str, Any], list[list[Match]]]:
    """Count errors by kind, types by types, and hits by the four schemes of SemEval 2013.

    A partial overlap counts half in the scheme ``partial``. Entities are read leniently, as seqeval does by default.

    Args:
        references: as in `entity_report`.
        predictions: as in `entity_report`.
        label_names: as in `entity_report`.

    Returns:
        ``kinds`` (kind -> number), ``confusion`` (gold type -> predicted type -> number, ``""`` for none) and
        ``semeval`` (scheme -> correct, incorrect, partial, missed, spurious, precision, recall, f1); and the matches
        of each sentence, in the order of their words.

    Raises:
        ValueError: as `entity_report`.

    Example:
        >>> report, _ = error_report([["B-PER", "I-PER", "O"]], [["O", "B-LOC", "B-ORG"]])
        >>> report["kinds"]["wrong_type_and_boundary"], report["kinds"]["invented"], report["confusion"]
        (1, 1, {'PER': {'LOC': 1}, '': {'ORG': 1}})
    """
    pairs = list(_by_sentence(references, predictions, label_names))
    matches = [_matched(gold, found) for gold, found in pairs]
    kinds = Counter(match.kind for sentence in matches for match in sentence)
    confusion: dict[str, Counter[str]] = {}
    for match in (match for sentence in matches for match in sentence):
        gold, found = (side.type if side else "" for side in (match.gold, match.found))
        confusion.setdefault(gold, Counter())[found] += 1
    report = {
        "kinds": {kind: kinds[kind] for kind in KINDS},
        "confusion": {kind: dict(counts.most_common()) for kind, counts in sorted(confusion.items(), reverse=True)},
        "semeval": {scheme: _semeval(pairs, scheme) for scheme in SCHEMES},
    }
    return report, matches


def _by_sentence(
    references: Any, predictions: Any, label_names: Sequence[str] | None
) -> Iterator[tuple[list[Mention], list[Mention]]]:
    """Give the gold and the predicted entities of each sentence."""
    pair = tag_pair(references, predictions, label_names)
    names, gold, predicted = extract(pair)
    starts = np.concatenate([[0], pair.separators[:-1] + 1])

    def listed(spans: Spans) -> list[list[Mention]]:
        sentences: list[list[Mention]] = [[] for _ in pair.separators]
        rows = np.searchsorted(pair.separators, spans.ends)
        first = starts.take(rows) if len(starts) else rows
        columns = (rows, spans.types, spans.begins - first, spans.ends - first)
        for row, kind, begin, end in zip(*(column.tolist() for column in columns), strict=True):
            sentences[row].append(Mention(names[kind], begin, end))
        return sentences

    return zip(listed(gold), listed(predicted), strict=True)


def _matched(gold: Sequence[Mention], found: Sequence[Mention]) -> list[Match]:
    """Match gold with predicted entities: equal ones, those of equal words, of equal type, then any that overlap."""
    rules: tuple[tuple[str, Callable[[Mention, Mention], bool]], ...] = (
        ("correct", lambda one, other: one == other),
        ("wrong_type", lambda one, other: one[1:] == other[1:]),
        ("wrong_boundary", lambda one, other: _overlap(one, other) > 0 and one.type == other.type),
        ("wrong_type_and_boundary", lambda one, other: _overlap(one, other) > 0),
    )
    matches, left, free = [], list(gold), list(found)
    for kind, fits in rules:
        for entity in list(left):
            other = next((each for each in free if fits(entity, each)), None)
            if other is not None:
                matches.append(Match(kind, entity, other))
                left.remove(entity)
                free.remove(other)
    matches += [Match("missed", entity, None) for entity in left]
    matches += [Match("invented", None, entity) for entity in free]
    return sorted(matches, key=lambda match: (match.gold or match.found or Mention("", 0, 0)).start)


def _overlap(one: Mention, other: Mention) -> int:
    return min(one.stop, other.stop) - max(one.start, other.start)


def _semeval(pairs: Sequence[tuple[Sequence[Mention], Sequence[Mention]]], scheme: str) -> dict[str, float]:
    """Count hits by a scheme; predicted entities are matched in their order, as nervaluate does."""
    counts: Counter[str] = Counter()
    for gold, found in pairs:
        free = list(gold)
        for entity in found:
            near = [each for each in free if 100 * _overlap(each, entity) >= each.stop - each.start]
            hits = _hits(entity, near, scheme)
            wrong = "partial" if scheme == "partial" else "incorrect"
            counts["correct" if hits else wrong if near else "spurious"] += 1
            if near:
                free.remove((hits or near)[0])
        counts["missed"] += len(free)
    shared = counts["correct"] + counts["incorrect"] + counts["partial"]
    right = counts["correct"] + 0.5 * counts["partial"]
    precision, recall = (right / max(shared + counts[kind], 1) for kind in ("spurious", "missed"))
    f1 = 2 * (precision * recall) / (precision + recall) if right else 0.0
    named = {kind: counts[kind] for kind in ("correct", "incorrect", "partial", "missed", "spurious")}
    return {**named, "precision": precision, "recall": recall, "f1": f1}


def _hits(entity: Mention, near: Sequence[Mention], scheme: str) -> list[Mention]:
    """Find the gold entities that a predicted one hits, the closest first."""
    if scheme == "type":
        same = [each for each in near if each.type == entity.type]
        return sorted(same, key=lambda each: abs(each.start - entity.start) + abs(each.stop - entity.stop))
    return [each for each in near if each[1:] == entity[1:] and (scheme != "strict" or each.type == entity.type)]
