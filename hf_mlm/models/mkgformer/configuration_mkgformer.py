"""Configuration of MKGFormer (Chen et al. 2022).

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig
from transformers.configuration_utils import SubConfigSpec

from hf_mlm.models.base.configuration import TEXT_ENCODER, ImageTaggerConfig, refuse_below


TEXT_TYPES = ("bert", "roberta", "xlm-roberta", "camembert")
IMAGE_TYPES = ("clip_vision_model", "vit", "dinov2")


@strict
class MKGFormerConfig(ImageTaggerConfig):
    """Encoders of a `MKGFormerForTokenClassification` and where they meet, beside what every `ImageTaggerConfig` has.

    Args:
        text_encoder_config: a transformer built as BERT is: ``bert``, ``roberta``, ``xlm-roberta`` or ``camembert``;
            BERT's defaults when omitted.
        image_encoder_config: a vision transformer of the same depth and width: ``clip_vision_model``, ``vit`` or
            ``dinov2``; CLIP's ViT-B/32 when omitted.
        fusion_layers: how many layers meet, the last ones; those below stay by themselves.
        num_regions: regions of an image at most. With more than one, each has a vector of its own that is added to
            its patches.

    Example:
        >>> config = MKGFormerConfig()
        >>> config.image_encoder_config.model_type, config.fusion_start
        ('clip_vision_model', 8)
    """

    model_type = "mkgformer"
    default_image_encoder: ClassVar[dict[str, Any]] = {"model_type": "clip_vision_model"}
    sub_configs_defaults = {
        "text_encoder_config": TEXT_ENCODER,
        "image_encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="clip_vision_model", optional=True),
    }

    fusion_layers: int = 4
    num_regions: int = 1

    @property
    def fusion_start(self) -> int:
        """The first layer that the encoders meet in, counted from 0."""
        text: Any = self.text_encoder_config
        return text.num_hidden_layers - self.fusion_layers

    def validate_encoders(self) -> None:
        """Refuse encoders whose layers cannot meet."""
        if self.image_encoder_config is None:
            return
        text: Any = self.text_encoder_config
        image: Any = self.image_encoder_config
        if text.model_type not in TEXT_TYPES or image.model_type not in IMAGE_TYPES:
            raise ValueError(
                f"MKGFormer joins layers of a text encoder of {', '.join(TEXT_TYPES)} with those of an image encoder "
                f"of {', '.join(IMAGE_TYPES)}, and got {text.model_type} and {image.model_type}."
            )
        sizes = [(config.num_hidden_layers, config.hidden_size) for config in (text, image)]
        if sizes[0] != sizes[1]:
            (depth, width), (image_depth, image_width) = sizes
            raise ValueError(
                f"MKGFormer needs encoders of the same depth and width: the text encoder has {depth} layers of "
                f"{width} and the image encoder {image_depth} of {image_width}; choose another one of the two."
            )
        if not 1 <= self.fusion_layers < text.num_hidden_layers:
            raise ValueError(
                f"fusion_layers={self.fusion_layers} must lie in [1, {text.num_hidden_layers}): at least one of the "
                f"{text.num_hidden_layers} layers stays below."
            )

    def validate_regions(self) -> None:
        """Refuse an image without regions."""
        refuse_below(self, 1, "num_regions")
