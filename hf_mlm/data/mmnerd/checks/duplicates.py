"""The most similar set by an inverted index of rare elements; exact."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from hf_mlm.data.mmnerd.checks.statistics import Row


class Match(NamedTuple):
    """A query, the most similar set, and their Jaccard similarity."""

    query: int
    neighbour: int
    similarity: float


def nearest(sets: Sequence[frozenset[str]], queries: Sequence[frozenset[str]], threshold: float = 0.8) -> list[Match]:
    """Find for each query the most similar set, if any is as similar as the threshold.

    Two sets of Jaccard similarity t or more share one of the ⌊(1 − t)·n⌋ + 1 rarest elements of either, n being its
    size (prefix filtering: Chaudhuri et al., 2006); so an index of these few finds all that is to be compared.

    Args:
        sets: to find; empty ones are never found.
        queries: to find them for.
        threshold: least similarity, in (0, 1].

    Returns:
        matches in the order of the queries; of equally similar sets, the first.

    Raises:
        ValueError: if the threshold is not in (0, 1].

    Example:
        >>> nearest([frozenset("abcd"), frozenset("wxyz")], [frozenset("abce"), frozenset("xyz")], threshold=0.7)
        [Match(query=1, neighbour=1, similarity=0.75)]
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold}: a similarity is above 0 and at most 1.")
    frequencies = Counter(element for part in (sets, queries) for elements in part for element in elements)
    ranks = {
        element: rank for rank, (element, _) in enumerate(sorted(frequencies.items(), key=lambda item: item[::-1]))
    }

    def rarest(elements: frozenset[str]) -> list[str]:
        count = math.floor((1 - threshold) * len(elements) + 1e-9) + 1
        return sorted(elements, key=ranks.__getitem__)[:count]

    holders: dict[str, list[int]] = defaultdict(list)
    for index, elements in enumerate(sets):
        for element in rarest(elements):
            holders[element].append(index)
    matches: list[Match] = []
    for query, elements in enumerate(queries):
        candidates = sorted({index for element in rarest(elements) for index in holders.get(element, ())})
        similarities = [_jaccard(elements, sets[index]) for index in candidates]
        best = max(similarities, default=0.0)
        if best >= threshold:
            matches.append(Match(query, candidates[similarities.index(best)], best))
    return matches


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


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
