"""What becomes of the labels of a file, and what is said of those that cannot be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hf_mlm.data.mmnerd.conll import Sentence
from hf_mlm.data.mmnerd.schemes import TAGS, is_label, rename, repair, tags_of, types_of, violation


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
