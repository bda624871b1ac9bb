"""What the configurations of taggers with one text encoder and one image encoder share.

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig  # not AutoConfig: importing it registers what builds on this

from hf_mlm.models.tagger_config import TaggerConfig


RESNET_152 = {"model_type": "resnet", "depths": [3, 8, 36, 3]}


@strict
class ImageTaggerConfig(TaggerConfig):
    """Encoders and labels of a tagger that sees one image with each sentence.

    Its subclasses set ``sub_configs_defaults``.

    Args:
        text_encoder_config: any text encoder configuration that ``AutoModel`` opens; BERT's defaults when omitted.
        image_encoder_config: any vision configuration that ``AutoModel`` opens.
        use_images: False for the text-only form, which has no image encoder.
        freeze_text_encoder: leave the text encoder as it is.
        freeze_image_encoder: leave the image encoder as it is, its batch statistics included.
        id2label: name of each label; MMNERD's nine when neither this nor ``num_labels`` is given.
        dropout: drop probability before the layer that scores the labels.
        constrained_decoding: whether the CRF predicts IOB2 alone.
    """

    default_image_encoder: ClassVar[dict[str, Any]] = RESNET_152

    text_encoder_config: PreTrainedConfig | dict | None = None
    image_encoder_config: PreTrainedConfig | dict | None = None
    use_images: bool = True
    freeze_text_encoder: bool = False
    freeze_image_encoder: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Give the model an image encoder, or take it away from the text-only form."""
        given = self.image_encoder_config or self.default_image_encoder
        self.image_encoder_config = given if self.use_images else None
        super().__post_init__(**kwargs)

    def get_text_config(self, *args: Any, **kwargs: Any) -> PreTrainedConfig:
        """The text encoder's configuration, to which the size of the vocabulary belongs."""
        return self.text_encoder_config
