"""Configuration of UMT (Yu et al. 2020).

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig
from transformers.configuration_utils import SubConfigSpec

from hf_mlm.data.mmnerd.schemes import is_label
from hf_mlm.models.base.configuration import ImageTaggerConfig


@strict
class UMTConfig(ImageTaggerConfig):
    """Encoders, weights of the auxiliary task and labels of a `UMTForTokenClassification`.

    Args:
        text_encoder_config: any text encoder configuration that ``AutoModel`` opens; BERT's defaults when omitted.
        image_encoder_config: any vision configuration, whose last feature map or patches are attended to; ResNet-152
            when omitted.
        use_images: False for the text-only form: the text encoder, two self-attention layers and the auxiliary CRF.
        freeze_text_encoder: leave the text encoder as it is.
        freeze_image_encoder: leave the image encoder as it is, as the published code does.
        num_heads: attention heads; they divide the text encoder's hidden size.
        span_emission_weight: share of the entity spans' scores in those of the labels.
        span_loss_weight: weight of the auxiliary CRF's loss beside the main one's.
        dropout: drop probability after the text encoder, in the layers and before those that score labels.
        id2label: name of each label, in IOB2; MMNERD's nine when neither this nor ``num_labels`` is given.
        constrained_decoding: whether the CRF predicts IOB2 alone.

    Raises:
        StrictDataclassError: of ``huggingface_hub``, if a setting has the wrong type or contradicts another one; the
            sentence names them.

    Example:
        >>> UMTConfig(use_images=False).image_encoder_config, UMTConfig().image_encoder_config.model_type
        (None, 'resnet')
    """

    model_type = "umt"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["crf_loss", "span_loss", "logits"]
    sub_configs_defaults = {
        "text_encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="bert"),
        "image_encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="resnet", optional=True),
    }

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
        if self.num_heads < 1:
            raise ValueError(f"num_heads={self.num_heads} must be at least 1.")

    def validate_spans(self) -> None:
        """Refuse labels that do not tell where entities begin."""
        unknown: list[Any] = [name for name in self.label_names if not is_label(name)]
        if unknown:
            raise ValueError(f"UMT reads entity spans off the labels' names, and {unknown[0]!r} is not O, B-X or I-X.")
