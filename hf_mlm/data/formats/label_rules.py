"""What becomes of the labels of a file, and what is said of those that cannot be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hf_mlm.data.formats.conll import Sentence
from hf_mlm.data.formats.iob2 import TAGS, TYPES, is_label, rename, repair, violation


@dataclass(frozen=True)
class LabelRules:
    """How labels become those of the dataset.

    Attributes:
        repair: whether an I- that continues nothing begins an entity, instead of being refused.
        type_map: entity types to rename; to ``"O"``, to drop.
    """

    repair: bool = False
    type_map: Mapping[str, str] = field(default_factory=dict)

    def apply(self, sentence: Sentence, name: str) -> list[str]:
        """The labels of a sentence, each of ``iob2.TAGS``.

        Args:
            sentence: as it was read.
            name: of its file, for error messages.

        Raises:
            ValueError: naming file and line, if there are no words, or a label is no IOB2 label, continues nothing,
                or is of another type than ``iob2.TYPES``.
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
        unknown = next((position for position, tag in enumerate(tags) if tag not in TAGS), None)
        if unknown is not None:
            kind = tags[unknown][2:]
            raise ValueError(
                f"{name}:{sentence.line + unknown}: the entity type {kind!r} is none of {', '.join(TYPES)}; pass "
                f"type_map={{{kind!r}: 'MISC'}} to rename it, or {{{kind!r}: 'O'}} to drop it."
            )
        return list(tags)
