"""Configuration of UMT (Yu et al. 2020).

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict

from hf_mlm.data.mmnerd.schemes import is_label
from hf_mlm.models.base.configuration import ImageTaggerConfig, refuse_below


@strict
class UMTConfig(ImageTaggerConfig):
    """Layers and auxiliary task of a `UMTForTokenClassification`, beside what every `ImageTaggerConfig` has.

    The text-only form is the text encoder, two self-attention layers and the auxiliary CRF. Labels are of IOB2. The
    image encoder is frozen by default, as in the published code.

    Args:
        num_heads: attention heads; they divide the text encoder's hidden size.
        span_emission_weight: share of the entity spans' scores in those of the labels.
        span_loss_weight: weight of the auxiliary CRF's loss beside the main one's.
        dropout: drop probability after the text encoder, in the layers and before those that score labels.

    Example:
        >>> UMTConfig(use_images=False).image_encoder_config, UMTConfig().image_encoder_config.model_type
        (None, 'resnet')
    """

    model_type = "umt"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["crf_loss", "span_loss", "logits"]

    freeze_image_encoder: bool = True
    num_heads: int = 12
    span_emission_weight: int | float = 0.5
    span_loss_weight: int | float = 0.5

    def validate_weights(self) -> None:
        """Refuse weights and numbers outside their range."""
        if not 0 <= self.span_emission_weight < 1:
            raise ValueError(f"span_emission_weight={self.span_emission_weight} must lie in [0, 1).")
        if self.span_loss_weight < 0:
            raise ValueError(f"span_loss_weight={self.span_loss_weight} must not be below 0.")
        refuse_below(self, 1, "num_heads")

    def validate_spans(self) -> None:
        """Refuse labels that do not tell where entities begin."""
        unknown: list[Any] = [name for name in self.label_names if not is_label(name)]
        if unknown:
            raise ValueError(f"UMT reads entity spans off the labels' names, and {unknown[0]!r} is not O, B-X or I-X.")
