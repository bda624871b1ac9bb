"""What the configurations of all word taggers share: their labels.

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from hf_mlm.data.formats.iob2 import TAGS, is_label


@strict
class TaggerConfig(PreTrainedConfig):
    """Labels of a word tagger, and what its head does with them.

    Args:
        id2label: name of each label; MMNERD's nine when neither this nor ``num_labels`` is given.
        dropout: drop probability before the layer that scores the labels.
        constrained_decoding: whether the CRF predicts IOB2 alone, where an I-X continues a B-X or an I-X. Training is
            never constrained.

    Raises:
        StrictDataclassError: of ``huggingface_hub``, if a setting has the wrong type or contradicts another one.

    Example:
        >>> TaggerConfig().label_names[:3], TaggerConfig(id2label={0: "O", 1: "B-X", 2: "I-X"}).num_labels
        (['O', 'B-PER', 'I-PER'], 3)
    """

    keys_to_ignore_at_inference: ClassVar[list[str]] = ["logits"]

    id2label: dict[int, str] | dict[str, str] | None = None  # keys are strings in JSON
    dropout: int | float = 0.1
    constrained_decoding: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        """Give the labels their names, and the names their labels."""
        if self.id2label is None and kwargs.get("num_labels") is None:
            self.id2label = dict(enumerate(TAGS))
        super().__post_init__(**kwargs)
        self.label2id = {name: index for index, name in enumerate(self.label_names)}

    @property
    def label_names(self) -> list[str]:
        """Names of the labels in the order of their ids."""
        return [name for _, name in sorted(dict(self.id2label or {}).items())]

    def validate_dropout(self) -> None:
        """Refuse a dropout that is no probability below 1."""
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must lie in [0, 1).")

    def validate_labels(self) -> None:
        """Refuse labels with gaps or namesakes, and to keep to IOB2 with labels that are not IOB2."""
        names = dict(self.id2label or {})
        if sorted(names) != list(range(len(names))) or len(set(names.values())) < len(names):
            raise ValueError(f"id2label={self.id2label} must number different labels from 0 on without gaps.")
        for name in self.label_names if self.constrained_decoding else []:
            if not is_label(name) or (name[0] == "I" and f"B-{name[2:]}" not in self.label2id):
                raise ValueError(
                    f"constrained_decoding needs IOB2 labels (O, B-X, I-X with its B-X), and {name!r} is none: pass "
                    "id2label with their names, or constrained_decoding=False."
                )
