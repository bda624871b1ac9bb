"""The most similar set by an inverted index of rare elements; exact."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple


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
