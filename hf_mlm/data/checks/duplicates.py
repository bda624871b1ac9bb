"""Texts and images that occur more than once, within a split and across splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from hf_mlm.data.checks.near_duplicates import nearest
from hf_mlm.data.checks.rows import Row


@dataclass
class Repeats:
    """Rows that repeat another one of their language.

    Attributes:
        within: split -> rows that repeat an earlier row of it.
        across: "train/test" -> rows of the latter that repeat a row of the former.
    """

    within: dict[str, int] = field(default_factory=dict)
    across: dict[str, int] = field(default_factory=dict)


@dataclass
class NearRepeats:
    """Rows whose sets of words are nearly those of a row in another split.

    Attributes:
        counts: "train/test" -> similarity -> rows of the latter that have a row of the former at least as similar.
        examples: "train/test" -> the most similar pairs: file and line of both, and the similarity.
    """

    counts: dict[str, dict[float, int]] = field(default_factory=dict)
    examples: dict[str, list[tuple[str, str, float]]] = field(default_factory=dict)


def repeated_texts(rows: Sequence[Row], ignore_case: bool = False) -> Repeats:
    """Look for equal texts."""
    return _repeats(rows, lambda row: row.text.casefold() if ignore_case else row.text)


def repeated_images(rows: Sequence[Row]) -> Repeats:
    """Look for equal image ids; translations share theirs, and so it is looked for within a language."""
    return _repeats([row for row in rows if row.sentence.image_id is not None], lambda row: row.sentence.image_id)


def near_repeats(rows: Sequence[Row], similarities: Sequence[float] = (0.9, 0.8), examples: int = 10) -> NearRepeats:
    """Look for sentences of nearly the same words in two splits.

    Args:
        rows: sentences.
        similarities: Jaccard similarities of the sets of lower-case words (intersection over union) to count at.
        examples: the most pairs to give.
    """
    sets: dict[str, list[frozenset[str]]] = {}
    members: dict[str, list[Row]] = {}
    for row in rows:
        sets.setdefault(row.split, []).append(frozenset(token.lower() for token in row.sentence.tokens))
        members.setdefault(row.split, []).append(row)
    found = NearRepeats()
    for one, other in combinations(sets, 2):
        pairs = nearest(sets[one], sets[other], min(similarities))
        pairs.sort(key=lambda pair: -pair.similarity)
        found.counts[f"{one}/{other}"] = {
            least: sum(pair.similarity >= least for pair in pairs) for least in similarities
        }
        found.examples[f"{one}/{other}"] = [
            (members[one][pair.neighbour].where, members[other][pair.query].where, pair.similarity)
            for pair in pairs[:examples]
        ]
    return found


def _repeats(rows: Sequence[Row], key: Callable[[Row], Hashable]) -> Repeats:
    counts: dict[str, Counter[Hashable]] = {}
    for row in rows:
        counts.setdefault(row.split, Counter())[row.language, key(row)] += 1
    return Repeats(
        within={split: count.total() - len(count) for split, count in counts.items()},
        across={
            f"{one}/{other}": sum(number for item, number in counts[other].items() if item in counts[one])
            for one, other in combinations(counts, 2)
        },
    )
