"""How far two people agree: Cohen's kappa of word labels, with and without O, and F1 of entities."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hf_mlm.construction.mmnerd.records import Record, Span


class Pair(NamedTuple):
    """A sentence and what two people have found in it."""

    record: Record
    first: tuple[Span, ...]
    second: tuple[Span, ...]


@dataclass(frozen=True)
class Agreement:
    """Agreement over some sentences.

    The 2M-NER paper reports a kappa of 0.96 and does not say of what. Words outside of entities are most words, and
    easy: the kappa with them is the kindest figure, the one without the most severe.

    Attributes:
        sentences: how many.
        words: how many.
        equal_sentences: number of sentences without any difference.
        kappa: Cohen's, of IOB2 labels, all words; NaN where both used one label only.
        kappa_entities: the same of the words that at least one of the two put into an entity.
        span_f1: of entities with the same place and type; 1 where neither found any.
    """

    sentences: int
    words: int
    equal_sentences: int
    kappa: float
    kappa_entities: float
    span_f1: float


def agreement(pairs: Iterable[Pair]) -> Agreement:
    """Compare two people's entities.

    Args:
        pairs: sentences that both have annotated; the two may be others in each.
    """
    listed = list(pairs)
    words = [labels for pair in listed for labels in _labels(pair)]
    inside = [labels for labels in words if labels != ("O", "O")]
    common = sum(len(set(pair.first) & set(pair.second)) for pair in listed)
    total = sum(len(pair.first) + len(pair.second) for pair in listed)
    return Agreement(
        sentences=len(listed),
        words=len(words),
        equal_sentences=sum(set(pair.first) == set(pair.second) for pair in listed),
        kappa=cohen_kappa(*_columns(words)),
        kappa_entities=cohen_kappa(*_columns(inside)),
        span_f1=2 * common / total if total else 1.0,
    )


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Agreement of two columns of labels beyond chance, (p_o − p_e) / (1 − p_e) (Cohen, 1960).

    Args:
        first: labels.
        second: another person's labels of the same items.

    Returns:
        at most 1; NaN of no item, or where both gave every item the same one label, so that chance explains it all.

    Raises:
        ValueError: if there are not as many labels in both.

    Example:
        >>> cohen_kappa(["O", "PER", "O", "LOC"], ["O", "PER", "LOC", "LOC"])
        0.6363636363636364
    """
    if len(first) != len(second):
        raise ValueError(f"there are {len(first)} labels and {len(second)}; they have to be of the same items.")
    ours, theirs, size = Counter(first), Counter(second), len(first)
    expected = sum(ours[label] * theirs[label] for label in ours)  # times size squared
    observed = sum(one == other for one, other in zip(first, second, strict=True)) * size
    return (observed - expected) / (size**2 - expected) if size**2 > expected else math.nan


def _labels(pair: Pair) -> list[tuple[str, str]]:
    columns = (pair.record.with_spans(spans).tags for spans in (pair.first, pair.second))
    return list(zip(*columns, strict=True))


def _columns(labels: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [first for first, _ in labels], [second for _, second in labels]
