"""Duplicates: equal and nearly equal sentences, within and across splits, and images on both sides of a split."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from hf_mlm.data.mmnerd.statistics import Row


TRAIN = "train"


@dataclass
class Repeats:
    """Rows equal to another one of their language."""

    within: dict[str, int] = field(default_factory=dict)  # split -> rows equal to an earlier row of it
    across: dict[str, int] = field(default_factory=dict)  # "train/test" -> rows of the latter in the former


def repeated_texts(rows: Sequence[Row], ignore_case: bool = False) -> Repeats:
    """Count equal texts."""
    return _repeats(rows, lambda row: row.text.casefold() if ignore_case else row.text)


def repeated_images(rows: Sequence[Row]) -> Repeats:
    """Count equal image ids within a language; translations share theirs."""
    return _repeats([row for row in rows if row.sentence.image_id is not None], lambda row: row.sentence.image_id)


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


@dataclass
class NearRepeats:
    """Rows with nearly the words of a row in another split."""

    counts: dict[str, dict[float, int]] = field(default_factory=dict)  # "train/test" -> similarity -> rows
    examples: dict[str, list[tuple[str, str, float]]] = field(default_factory=dict)  # files and lines, similarity


def near_repeats(rows: Sequence[Row], similarities: Sequence[float] = (0.9, 0.8), examples: int = 10) -> NearRepeats:
    """Find sentences of nearly the same words in two splits.

    Args:
        rows: sentences.
        similarities: thresholds to count at; Jaccard similarities of the sets of lower-case words.
        examples: the most pairs to list.
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


class Match(NamedTuple):
    """A query, the most similar set, and their Jaccard similarity."""

    query: int
    neighbour: int
    similarity: float


def nearest(sets: Sequence[frozenset[str]], queries: Sequence[frozenset[str]], threshold: float = 0.8) -> list[Match]:
    """Find for each query the most similar set, if its similarity reaches the threshold; exact, by an inverted index.

    Two sets of Jaccard similarity t or more share one of the ⌊(1 − t)·n⌋ + 1 rarest elements of either, n being its
    size (prefix filtering: Chaudhuri et al., 2006), so an index of these few elements finds every candidate.

    Args:
        sets: to search in; empty ones match nothing.
        queries: sets to search for.
        threshold: lowest Jaccard similarity of a match, in (0, 1].

    Returns:
        matches in the order of the queries; of equally similar sets, the first.

    Raises:
        ValueError: if the threshold is not in (0, 1].

    Example:
        >>> nearest([frozenset("abcd"), frozenset("wxyz")], [frozenset("abce"), frozenset("xyz")], threshold=0.7)
        [Match(query=1, neighbour=1, similarity=0.75)]
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"Expected threshold to be a similarity above 0 and at most 1, found {threshold}.")
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
class ImageLeakage:
    """Held-out sentences of a language and split with an image of the training data."""

    language: str
    split: str
    sentences: int = 0  # with an image id
    same_language: int = 0  # whose image is in the training data of their language
    other_languages: int = 0  # of another, as translated tweets when languages are put together (2M-NER, Table 5)


def image_leakage(rows: Sequence[Row]) -> list[ImageLeakage]:
    """Count held-out sentences that share their image with the training data, by language and split."""
    trained: dict[str, set[str]] = {}  # image id -> languages
    for row in rows:
        if row.split == TRAIN and row.sentence.image_id is not None:
            trained.setdefault(row.sentence.image_id, set()).add(row.language)
    found: dict[tuple[str, str], ImageLeakage] = {}
    for row in rows:
        if row.split != TRAIN and row.sentence.image_id is not None:
            count = found.setdefault((row.language, row.split), ImageLeakage(row.language, row.split))
            languages = trained.get(row.sentence.image_id, set())
            count.sentences += 1
            count.same_language += row.language in languages
            count.other_languages += bool(languages - {row.language})
    return list(found.values())
