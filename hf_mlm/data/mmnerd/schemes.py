"""The IOB2 scheme: its labels, what violates it, and the entities that labels spell out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple


if TYPE_CHECKING:
    from hf_mlm.data.mmnerd.conll import Sentence


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


@dataclass(frozen=True)
class LabelRules:
    """How labels become those of the dataset.

    Attributes:
        repair: whether an I- that continues nothing begins an entity, instead of being refused.
        type_map: entity types to rename; to ``"O"``, to drop.
        tags: the labels that there are, in the order of their ids.
    """

    repair: bool = False
    type_map: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = TAGS

    def apply(self, sentence: Sentence, name: str) -> list[str]:
        """The labels of a sentence, each of ``tags``.

        Args:
            sentence: as it was read.
            name: of its file, for error messages.

        Raises:
            ValueError: naming file and line, if there are no words, or a label is no IOB2 label, continues nothing,
                or is none of ``tags``.
        """
        if not sentence.tokens:
            where = f"{name}:{sentence.line - 1}"
            raise ValueError(f"{where}: no words follow IMGID:{sentence.image_id}; add them or take the line out.")
        tags = repair(sentence.tags) if self.repair else sentence.tags
        wrong = violation(tags)
        if wrong:
            remedy = "correct it"
            if is_label(tags[wrong.position]):
                remedy += ", or pass repair=True to begin an entity there"
            raise ValueError(f"{name}:{sentence.line + wrong.position}: {wrong.reason}; {remedy}.")
        tags = rename(tags, self.type_map) if self.type_map else tags
        unknown = next((position for position, tag in enumerate(tags) if tag not in self.tags), None)
        if unknown is not None:
            raise ValueError(f"{name}:{sentence.line + unknown}: {self._complaint(tags[unknown])}")
        return list(tags)

    def _complaint(self, tag: str) -> str:
        kind, types = tag[2:], types_of(self.tags)
        if tag == "O" or kind in types:
            return f"the label {tag!r} is none of {', '.join(self.tags)}; add it to labels."
        return (
            f"the entity type {kind!r} is none of {', '.join(types)}; pass labels={[*types, kind]} to keep it, "
            f"type_map={{{kind!r}: {types[-1]!r}}} to rename it, or {{{kind!r}: 'O'}} to drop it."
        )


def read_type_map(type_map: Any) -> dict[str, str]:
    """What a user wants entity types to become.

    Args:
        type_map: ``{"GPE": "LOC", "DATE": "O"}``, or None for nothing.

    Raises:
        ValueError: if it is no mapping of names to names.

    Example:
        >>> read_type_map(None)
        {}
    """
    given = {} if type_map is None else type_map
    if not isinstance(given, Mapping) or not all(isinstance(kind, str) for pair in given.items() for kind in pair):
        raise ValueError(
            f"type_map={type_map!r} must map entity types to entity types, such as {{'GPE': 'LOC'}}, or to 'O', which "
            "drops them."
        )
    return dict(given)


def read_labels(labels: Any) -> tuple[str, ...]:
    """The labels that a user asks for.

    Args:
        labels: entity types, ``["SHIP", "DATE"]``, each of which gets B- and I-; or all labels in the order of their
            ids, ``["O", "B-SHIP", "I-SHIP"]``, as a model has them.

    Raises:
        ValueError: if it is no list of names, one comes twice, or types and labels are mixed.

    Example:
        >>> read_labels(["SHIP"]) == read_labels(["O", "B-SHIP", "I-SHIP"])
        True
    """
    named = isinstance(labels, Sequence) and not isinstance(labels, str) and len(labels) > 0
    if not named or not all(isinstance(name, str) and name and not any(map(str.isspace, name)) for name in labels):
        raise ValueError(f"labels={labels!r} must be a list of entity types, such as ['PERSON', 'DATE'].")
    if len(set(labels)) < len(labels):
        raise ValueError(f"labels={labels!r} names a label twice.")
    if not any(is_label(name) for name in labels):
        return tags_of(labels)
    if "O" not in labels or not types_of(labels) or not all(is_label(name) for name in labels):
        raise ValueError(
            f"labels={labels!r} must be entity types alone, such as ['DATE'], or all labels, such as "
            "['O', 'B-DATE', 'I-DATE']."
        )
    return tuple(labels)
