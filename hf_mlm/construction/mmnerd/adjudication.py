"""How far two people agree: Cohen's kappa of word labels, with and without O, and F1 of entities."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from hf_mlm.construction.mmnerd.records import Record, Span
from hf_mlm.construction.mmnerd.tasks import Answers


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


AGREED, INSPECTED, OPEN = "agreed", "inspected", "open"


def assign(ids: Sequence[str], annotators: Sequence[str], seed: int = 0) -> dict[str, tuple[str, str]]:
    """Choose two people for each sentence, so that everybody works with everybody, and about as much.

    Args:
        ids: of the sentences.
        annotators: two or more people.
        seed: another seed, other assignments.

    Returns:
        id -> the two, in the order of ``ids``.

    Raises:
        ValueError: if there are not two people, or one is named twice.
    """
    if len(set(annotators)) != len(annotators) or len(annotators) < 2:
        raise ValueError(f"annotators={list(annotators)}: every sentence needs two people, none named twice.")
    pairs = list(combinations(annotators, 2))
    order = sorted(ids, key=lambda identity: hashlib.blake2b(f"{seed}:{identity}".encode(), digest_size=8).digest())
    chosen = {identity: pairs[number % len(pairs)] for number, identity in enumerate(order)}
    return {identity: chosen[identity] for identity in ids}


@dataclass(frozen=True)
class Decision:
    """What became of a sentence.

    Attributes:
        id: of the sentence.
        how: ``"agreed"`` (both annotators gave the same), ``"inspected"`` or ``"open"``.
        answers: annotator -> entities.
        final: entities; None while it is open.
        overruled: whether the inspector differs from both.
    """

    id: str
    how: str
    answers: dict[str, tuple[Span, ...]]
    final: tuple[Span, ...] | None
    overruled: bool = False

    def to_row(self) -> dict[str, Any]:
        """A line of the log."""
        answers = {name: [span._asdict() for span in spans] for name, spans in self.answers.items()}
        final = None if self.final is None else [span._asdict() for span in self.final]
        return vars(self) | {"answers": answers, "final": final}


def adjudicate(
    records: Mapping[str, Record],
    assignment: Mapping[str, tuple[str, str]],
    answers: Mapping[str, Answers],
    inspector: Answers | None = None,
) -> list[Decision]:
    """Decide about each sentence: the inspector's answer counts, and where there is none, that of two who agree.

    Args:
        records: sentences by id.
        assignment: id -> the two annotators.
        answers: annotator -> what they have given.
        inspector: what the inspector has given.

    Returns:
        a decision for each assigned sentence; it is open while an annotator has not answered, or both differ and the
        inspector has not answered.

    Raises:
        ValueError: if an annotator has answered a sentence that is another's.
    """
    _check_own(assignment, answers)
    decisions = []
    for identity, people in assignment.items():
        given = {name: answers[name].spans[identity] for name in people if identity in _spans(answers, name)}
        ruled = inspector.spans.get(identity) if inspector else None
        if ruled is not None:
            overruled = all(set(ruled) != set(spans) for spans in given.values())
            decisions.append(Decision(identity, INSPECTED, given, ruled, overruled))
        elif len(given) == 2 and len({frozenset(spans) for spans in given.values()}) == 1:
            decisions.append(Decision(identity, AGREED, given, next(iter(given.values()))))
        else:
            decisions.append(Decision(identity, OPEN, given, None))
    unknown = {decision.id for decision in decisions} - set(records)
    if unknown:
        raise ValueError(f"{len(unknown)} assigned sentences are not of this build, such as {min(unknown)}.")
    return decisions


def answered_pairs(records: Mapping[str, Record], decisions: Sequence[Decision]) -> list[Pair]:
    """Sentences that both annotators have answered, to measure agreement by."""
    both = [decision for decision in decisions if len(decision.answers) == 2]
    return [Pair(records[decision.id], *decision.answers.values()) for decision in both]


def _spans(answers: Mapping[str, Answers], name: str) -> dict[str, tuple[Span, ...]]:
    return answers[name].spans if name in answers else {}


def _check_own(assignment: Mapping[str, tuple[str, str]], answers: Mapping[str, Answers]) -> None:
    for name, given in answers.items():
        foreign = [identity for identity in given.spans if name not in assignment.get(identity, ())]
        if foreign:
            raise ValueError(
                f"{name} has answered {len(foreign)} sentences that were not assigned to them, such as {foreign[0]}; "
                "see that names and files belong together."
            )
