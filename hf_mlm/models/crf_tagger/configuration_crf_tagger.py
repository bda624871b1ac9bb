"""Configuration of the CRF tagger.

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any, Literal

from huggingface_hub.dataclasses import strict

from hf_mlm.models.base.configuration import TextTaggerConfig


@strict
class CRFTaggerConfig(TextTaggerConfig):
    """Head of a `CRFTaggerForTokenClassification`, beside what every `TextTaggerConfig` has.

    Args:
        head: ``"crf"`` over the words of a sentence, or ``"softmax"`` at each of them, which is never constrained.

    Example:
        >>> CRFTaggerConfig(head="softmax").num_labels
        9
    """

    model_type = "crf_tagger"

    head: Literal["crf", "softmax"] = "crf"

    def __post_init__(self, **kwargs: Any) -> None:
        """Leave a softmax unconstrained, whatever its labels."""
        self.constrained_decoding = self.constrained_decoding and self.head == "crf"
        super().__post_init__(**kwargs)
