"""Quality of annotation: agreement of two people, an inspector's decisions, and an audit of finished entities."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

from hf_mlm.construction.mmnerd.records import Record, Span, draw
from hf_mlm.construction.mmnerd.tasks import Answers
from hf_mlm.data.text_file import read_text
from hf_mlm.files import write_text


class Pair(NamedTuple):
    """A sentence and the entities that two people found in it."""

    record: Record
    first: tuple[Span, ...]
    second: tuple[Span, ...]


@dataclass(frozen=True)
class Agreement:
    """Agreement over some sentences.

    The 2M-NER paper reports a kappa of 0.96 and does not say of what. Words outside of entities are most words, and
    easy: the kappa with them is the kindest figure, the one without the most severe.

    Attributes:
        sentences: number.
        words: number.
        equal_sentences: number of sentences without any difference.
        kappa: Cohen's, of IOB2 labels, all words; NaN where both used one label only.
        kappa_entities: the same of the words that at least one of the two put into an entity.
        span_f1: of entities with the same offsets and type; 1 where neither found any.
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
        raise ValueError(f"Expected labels of the same items, found {len(first)} and {len(second)}.")
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

    Returns:
        id -> the two, in the order of ``ids``.

    Raises:
        ValueError: if there are not two people, or one is named twice.
    """
    if len(set(annotators)) != len(annotators) or len(annotators) < 2:
        raise ValueError(f"Expected two people or more, none named twice, found annotators={list(annotators)}.")
    pairs = list(combinations(annotators, 2))
    order = sorted(ids, key=lambda identity: hashlib.blake2b(f"{seed}:{identity}".encode(), digest_size=8).digest())
    chosen = {identity: pairs[number % len(pairs)] for number, identity in enumerate(order)}
    return {identity: chosen[identity] for identity in ids}


@dataclass(frozen=True)
class Decision:
    """The decision about a sentence."""

    id: str
    how: str  # "agreed", "inspected" or "open"
    answers: dict[str, tuple[Span, ...]]  # annotator -> entities
    final: tuple[Span, ...] | None  # None while it is open
    overruled: bool = False  # the inspector differs from both

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
        raise ValueError(f"Expected sentences of this build, found {len(unknown)} others, such as {min(unknown)}.")
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
                f"Expected answers of sentences assigned to {name}, found {len(foreign)} others such as {foreign[0]}; "
                "check that names and files belong together."
            )


COLUMNS = ("id", "language", "sentence", "entity", "type", "right")
_VERDICTS = {"yes": True, "y": True, "1": True, "no": False, "n": False, "0": False}


class Interval(NamedTuple):
    """Bounds of a share."""

    low: float
    high: float


@dataclass(frozen=True)
class Audit:
    """Verdicts of an audit.

    The interval takes entities as independent; those of a sentence are not quite, so it is a little too narrow.

    Attributes:
        sentences: judged.
        entities: judged.
        right: judged right.
        interval: of the share of right ones, 95 %.
    """

    sentences: int
    entities: int
    right: int
    interval: Interval


def wilson_interval(right: int, total: int, confidence: float = 0.95) -> Interval:
    """Bounds of a share by Wilson's score (1927), which holds near 0 and 1, too.

    Args:
        right: how many of ``total``.
        total: 1 or more.
        confidence: in (0, 1).

    Raises:
        ValueError: if a value is out of range.

    Example:
        >>> [round(bound, 4) for bound in wilson_interval(626, 631)]  # 2M-NER's audit
        [0.9816, 0.9966]
    """
    if not 0 <= right <= total or total < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"Expected a count of 1 or more and a confidence in (0, 1), found {right} of {total}, {confidence}."
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = right / total, z**2 / total
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * (share * (1 - share) / total + weight / (4 * total)) ** 0.5
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def write_audit(path: Path, records: Sequence[Record], size: int = 300, seed: int = 0) -> None:
    """Draw sentences and write a sheet with a line for each of their entities, to be judged yes or no.

    Raises:
        ValueError: if the file exists, so that no verdict is lost.
    """
    if path.exists():
        raise ValueError(f"Expected no {path}, found one, maybe with verdicts; move it away first.")
    sheet = io.StringIO()
    writer = csv.writer(sheet, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in draw(records, size, seed, "audit"):
        for start, end, label in record.spans:
            marked = f"{record.text[:start]}[{record.text[start:end]}]{record.text[end:]}"
            writer.writerow([record.id, record.language, marked, record.text[start:end], label, ""])
    write_text(path, sheet.getvalue())


def read_audit(path: Path) -> Audit:
    """Read a judged sheet.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if its columns are others, a verdict is neither yes nor no, or there is none at all.
    """
    rows = list(csv.reader(io.StringIO(read_text(path)), delimiter="\t"))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise ValueError(f"Expected columns {', '.join(COLUMNS)} in {path}, found {rows[0] if rows else 'none'}.")
    verdicts = []
    for number, row in enumerate(rows[1:], 2):
        verdict = _VERDICTS.get(row[-1].strip().lower()) if len(row) == len(COLUMNS) else None
        if verdict is None:
            raise ValueError(f"Expected yes or no in the last column of {path}:{number}, found {row[-1:]}.")
        verdicts.append(verdict)
    if not verdicts:
        raise ValueError(f"Expected entities to judge in {path}, found none.")
    right = sum(verdicts)
    sentences = len({row[0] for row in rows[1:]})
    return Audit(sentences, len(verdicts), right, wilson_interval(right, len(verdicts)))
