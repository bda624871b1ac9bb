"""The IOB2 scheme: its labels, what violates it, and the entities that labels spell out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple


TYPES = ("PER", "LOC", "ORG", "MISC")

_LABEL = re.compile(r"O|[BI]-\S+")
_STARTS_INSIDE = "{tag!r} follows {previous!r} and so continues nothing, where IOB2 begins every entity with B-"


class Entity(NamedTuple):
    """A mention: its type, and its words ``start … stop − 1``."""

    type: str
    start: int
    stop: int


class Violation(NamedTuple):
    """What is wrong with the label of one word."""

    position: int
    reason: str


def tags_of(types: Sequence[str]) -> tuple[str, ...]:
    """The labels of some entity types: O, then B- and I- of each.

    Example:
        >>> tags_of(["SHIP", "DATE"])
        ('O', 'B-SHIP', 'I-SHIP', 'B-DATE', 'I-DATE')
    """
    return ("O", *(f"{prefix}-{kind}" for kind in types for prefix in "BI"))


TAGS = tags_of(TYPES)


def types_of(tags: Sequence[str]) -> tuple[str, ...]:
    """The entity types that labels speak of, in their order.

    Example:
        >>> types_of(["O", "B-SHIP", "I-SHIP", "B-DATE"])
        ('SHIP', 'DATE')
    """
    return tuple(dict.fromkeys(tag[2:] for tag in tags if tag != "O"))


def is_label(tag: str) -> bool:
    """Whether a label has the form O, B-TYPE or I-TYPE, of whatever type.

    Example:
        >>> [is_label(tag) for tag in ("O", "B-GPE", "S-LOC", "B-", "o")]
        [True, True, False, False, False]
    """
    return _LABEL.fullmatch(tag) is not None


def violation(tags: Sequence[str]) -> Violation | None:
    """The first label that is malformed, or continues an entity that nothing began; None in valid IOB2.

    Example:
        >>> violation(["B-PER", "I-LOC"])
        Violation(position=1, reason="'I-LOC' follows 'B-PER' and so continues nothing, ...")
    """
    previous = "O"
    for position, tag in enumerate(tags):
        if not is_label(tag):
            return Violation(position, f"{tag!r} is no IOB2 label, which are O, B-TYPE and I-TYPE")
        if tag[0] == "I" and previous[2:] != tag[2:]:
            return Violation(position, _STARTS_INSIDE.format(tag=tag, previous=previous))
        previous = tag
    return None


def repair(tags: Sequence[str]) -> list[str]:
    """Begin an entity wherever an I- continues nothing, as conlleval reads it; IOB1 becomes IOB2.

    Args:
        tags: labels; malformed ones stay as they are.

    Example:
        >>> repair(["I-LOC", "I-LOC", "I-PER", "O", "I-ORG"])
        ['B-LOC', 'I-LOC', 'B-PER', 'O', 'B-ORG']
    """
    pairs = zip(["O", *tags], tags, strict=False)
    return ["B" + tag[1:] if tag[:1] == "I" and previous[2:] != tag[2:] else tag for previous, tag in pairs]


def rename(tags: Sequence[str], type_map: Mapping[str, str]) -> list[str]:
    """Replace entity types; a type that becomes ``"O"`` is dropped.

    Example:
        >>> rename(["B-GPE", "I-GPE", "B-DATE", "B-PER"], {"GPE": "LOC", "DATE": "O"})
        ['B-LOC', 'I-LOC', 'O', 'B-PER']
    """
    new = {kind: type_map.get(kind, kind) for kind in {tag[2:] for tag in tags}}
    return [tag if tag == "O" else "O" if new[tag[2:]] == "O" else tag[:2] + new[tag[2:]] for tag in tags]


def entities(tags: Sequence[str]) -> list[Entity]:
    """The mentions that labels spell out; an I- that continues nothing begins one, as in conlleval.

    Args:
        tags: labels; those that are malformed count as O.

    Example:
        >>> entities(["B-PER", "I-PER", "B-PER", "O", "I-LOC"])
        [Entity(type='PER', start=0, stop=2), Entity(type='PER', start=2, stop=3), Entity(type='LOC', start=4, stop=5)]
    """
    found: list[Entity] = []
    start, kind = 0, ""
    for position, tag in enumerate([*tags, "O"]):
        if tag[:2] == "I-" and tag[2:] == kind:
            continue
        if kind:
            found.append(Entity(kind, start, position))
        start, kind = position, tag[2:] if tag != "O" and is_label(tag) else ""
    return found
