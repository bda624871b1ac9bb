"""Configuration of AdaCAN, the adaptive co-attention network (Zhang et al. 2018).

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from hf_mlm.models.word_level.configuration import CharacterTaggerConfig


@strict
class AdaCANConfig(CharacterTaggerConfig):
    """Settings of an `AdaCANForTokenClassification`, beside those of every `WordTaggerConfig`.

    The defaults are the paper's sizes. Its image encoder is VGG-16, which ``AutoModel`` lacks; a ResNet-50 gives a
    grid of as many regions. Where its LSTM drops its input out, the paper drops the characters alone.

    Args:
        image_encoder_config: any vision configuration that ``AutoModel`` opens and that gives a grid or tokens;
            ResNet-50 when omitted.
        use_images: False for the text-only form, CNN-BiLSTM-CRF.
        freeze_image_encoder: leave the image encoder as it is, its batch statistics included, as in the paper.
        coattention: ``"additive"`` lets a word choose where to look: its projection and a region's are added before
            the tanh (Bahdanau et al. 2015). ``"concat"``, as published, puts them side by side: the score is then one
            of the word plus one of the region, the softmax over regions cancels the word's, and all words look alike.
        num_characters: ids of characters, padding and the unknown one included.
        character_embedding_size: width of a character's vector.
        character_widths: characters that the filters of each kind see.
        character_filters: of each kind.
        character_hidden_size: width of the layer after the filters.
        character_size: width of what the characters of a word become.
        character_dropout: drop probability of what the filters find.

    Raises:
        StrictDataclassError: of ``huggingface_hub``, if a setting has the wrong type or is outside its range.

    Example:
        >>> AdaCANConfig(use_images=False).image_encoder_config is None, AdaCANConfig().image_encoder_config.model_type
        (True, 'resnet')
    """

    model_type = "adacan"
    sub_configs_defaults = {
        "image_encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="resnet", optional=True),
    }

    image_encoder_config: PreTrainedConfig | dict | None = None
    use_images: bool = True
    freeze_image_encoder: bool = True
    coattention: Literal["additive", "concat"] = "additive"
    word_embedding_size: int = 200
    character_embedding_size: int = 30
    character_widths: list[int] | tuple[int, ...] = (2, 3, 4)
    character_filters: int = 32
    character_hidden_size: int = 100
    character_dropout: int | float = 0.25

    def __post_init__(self, **kwargs: Any) -> None:
        """Give the model an image encoder, or take it away from the text-only form."""
        self.character_widths = list(self.character_widths)
        given = self.image_encoder_config or {"model_type": "resnet"}
        self.image_encoder_config = given if self.use_images else None
        super().__post_init__(**kwargs)

    def validate_layers(self) -> None:
        """Refuse widths and shares that the layers cannot have."""
        if not self.character_widths or min(self.character_widths) < 1:
            raise ValueError(f"character_widths={self.character_widths} must be one width or several, from 1 on.")
        for name in ("character_filters", "character_hidden_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        if not 0 <= self.character_dropout < 1:
            raise ValueError(f"character_dropout={self.character_dropout} must lie in [0, 1).")
