"""Configurations that all taggers share: labels, encoders, and the sizes of what encoders give.

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from hf_mlm.data.mmnerd.schemes import TAGS, is_label


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
        self.id2label = dict(self.id2label or {})

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a value; other labels have other numbers, also where ``from_pretrained`` is told them."""
        super().__setattr__(name, value)
        if name == "id2label" and value:
            self.label2id = {label: int(index) for index, label in value.items()}

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


def refuse_below(config: PreTrainedConfig, least: int, *names: str) -> None:
    """Refuse settings of a configuration that are below the least that they may be."""
    for name in names:
        if getattr(config, name) < least:
            raise ValueError(f"{name}={getattr(config, name)} must be at least {least}.")


TEXT_ENCODER = SubConfigSpec(config_class=AutoConfig, model_type="bert")  # unless another one is given
RESNET_152 = {"model_type": "resnet", "depths": [3, 8, 36, 3]}


@strict
class TextTaggerConfig(TaggerConfig):
    """The text encoder of a tagger that reads sub-tokens, beside what every `TaggerConfig` has.

    Args:
        text_encoder_config: any text encoder configuration that ``AutoModel`` opens; BERT's defaults when omitted.
        freeze_text_encoder: leave the text encoder as it is.
    """

    sub_configs_defaults = {"text_encoder_config": TEXT_ENCODER}

    text_encoder_config: PreTrainedConfig | dict | None = None
    freeze_text_encoder: bool = False

    def get_text_config(self, *args: Any, **kwargs: Any) -> PreTrainedConfig:
        """The text encoder's configuration, to which the size of the vocabulary belongs."""
        return self.text_encoder_config


@strict
class ImageTaggerConfig(TextTaggerConfig):
    """Encoders of a tagger that sees one image with each sentence, beside what every `TaggerConfig` has.

    Args:
        image_encoder_config: any vision configuration that ``AutoModel`` opens; ResNet-152 when omitted.
        use_images: False for the text-only form, which has no image encoder.
        freeze_image_encoder: leave the image encoder as it is, its batch statistics included.
    """

    sub_configs_defaults = {
        "text_encoder_config": TEXT_ENCODER,
        "image_encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="resnet", optional=True),
    }

    default_image_encoder: ClassVar[dict[str, Any]] = RESNET_152

    image_encoder_config: PreTrainedConfig | dict | None = None
    use_images: bool = True
    freeze_image_encoder: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Give the model an image encoder, or take it away from the text-only form."""
        given = self.image_encoder_config or self.default_image_encoder
        self.image_encoder_config = given if self.use_images else None
        super().__post_init__(**kwargs)


def feature_size(config: PreTrainedConfig) -> int:
    """Width of the pooled output of an encoder.

    Args:
        config: configuration of a vision or text encoder.

    Raises:
        ValueError: if it is not the configuration of one encoder, such as that of a whole CLIP.
    """
    sizes = getattr(config, "hidden_sizes", None)
    size = sizes[-1] if sizes else getattr(config, "hidden_size", None)
    if not isinstance(size, int) or getattr(config, "is_encoder_decoder", False):
        raise ValueError(
            f"{type(config).__name__} is not that of one encoder: it tells no hidden_size of its own, or decodes as "
            "well; pass the part that encodes, such as config.vision_config."
        )
    return size


def patch_count(config: PreTrainedConfig) -> int:
    """Number of tokens that a vision transformer gives for an image: its patches, class token and registers.

    Args:
        config: configuration of a vision transformer.

    Raises:
        ValueError: if it does not tell the sizes of images and patches.
    """
    image_size, patch_size = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    if not isinstance(image_size, int) or not isinstance(patch_size, int):
        raise ValueError(f"{type(config).__name__} tells no image_size and patch_size to count its tokens by.")
    class_token = 0 if config.model_type.startswith("siglip") else 1
    return (image_size // patch_size) ** 2 + class_token + getattr(config, "num_register_tokens", 0)
