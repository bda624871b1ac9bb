"""Carries entities over to a translation along an alignment, and says which could not be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hf_mlm.construction.mmnerd.records import Span


UNALIGNED = "no word of it is aligned"
APART = "its words are apart"
TAKEN = "its words belong to another entity"


class Failure(NamedTuple):
    """An entity that was not carried over, and why."""

    text: str
    label: str
    reason: str


class Projection(NamedTuple):
    """Entities of a translation, and those of the original that it lacks."""

    spans: tuple[Span, ...]
    failures: list[Failure]


def project(
    text: str,
    words: Sequence[tuple[int, int]],
    spans: Iterable[Span],
    target_words: Sequence[tuple[int, int]],
    pairs: Iterable[tuple[int, int]],
    widest_gap: int = 1,
) -> Projection:
    """Find each entity of a text in its translation.

    An entity becomes the stretch from the first to the last word that is aligned with one of its own. No strings are
    compared: a name that occurs twice is found where its own words went.

    Args:
        text: the original.
        words: its words, as `Record.words`.
        spans: its entities.
        target_words: words of the translation.
        pairs: (word, target word) of each alignment.
        widest_gap: how many words within the stretch may be aligned with nothing of the entity side by side.

    Returns:
        entities of the translation in order, and a failure for each that has none.

    Example:
        >>> project("Rome sleeps", [(0, 4), (5, 11)], [Span(0, 4, "LOC")], [(0, 4), (5, 9)], {(0, 1)}).spans
        (Span(start=5, end=9, label='LOC'),)
    """
    aligned: dict[int, list[int]] = {}
    for word, target in pairs:
        aligned.setdefault(word, []).append(target)
    found: list[Span] = []
    failures: list[Failure] = []
    for span in spans:
        inside = [number for number, (start, _) in enumerate(words) if span.start <= start < span.end]
        targets = sorted({target for number in inside for target in aligned.get(number, [])})
        reason = _refusal(targets, widest_gap)
        if reason is None:
            place = Span(target_words[targets[0]][0], target_words[targets[-1]][1], span.label)
            if not any(place.start < other.end and other.start < place.end for other in found):
                found.append(place)
                continue
            reason = TAKEN
        failures.append(Failure(text[span.start : span.end], span.label, reason))
    return Projection(tuple(sorted(found)), failures)


def _refusal(targets: list[int], widest_gap: int) -> str | None:
    if not targets:
        return UNALIGNED
    gaps = [after - before - 1 for before, after in zip(targets[:-1], targets[1:], strict=True)]
    return APART if max(gaps, default=0) > widest_gap else None
