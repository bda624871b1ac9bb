"""What the taggers with one text encoder and one image encoder share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PreTrainedModel

from hf_mlm.models.encoders import build_encoder, drop_pooler
from hf_mlm.models.image_tagger_config import ImageTaggerConfig
from hf_mlm.models.tagger_base import TaggerPreTrainedModel
from hf_mlm.models.two_mner.pretrained_two_mner import load_encoders


if TYPE_CHECKING:
    from typing_extensions import Self


class ImageTaggerPreTrainedModel(TaggerPreTrainedModel):
    """Base of taggers that keep their encoders as ``text_encoder`` and ``image_encoder``, None in text-only forms.

    Args:
        config: of the whole model.
        text_encoder: the text encoder, already loaded; built from the configuration when omitted.
        image_encoder: the image encoder, already loaded; left aside by a text-only form.
    """

    input_modalities = ("image", "text")

    config: ImageTaggerConfig
    image_encoder: Any

    def __init__(
        self,
        config: ImageTaggerConfig,
        text_encoder: PreTrainedModel | None = None,
        image_encoder: PreTrainedModel | None = None,
    ):
        super().__init__(config)
        self.text_encoder = drop_pooler(build_encoder(config.text_encoder_config, text_encoder))
        self.image_encoder = (
            drop_pooler(build_encoder(config.image_encoder_config, image_encoder)) if config.use_images else None
        )

    @classmethod
    def from_encoders_pretrained(
        cls, text: str | os.PathLike[str], image: str | os.PathLike[str] | None = None, **settings: Any
    ) -> Self:
        """Put the model on pretrained encoders; without an image encoder it is the text-only form.

        Args:
            text: folder or Hub name of a text model or of a pair such as CLIP, whose text half is taken.
            image: folder or Hub name of a vision model or of a pair, whose vision half is taken, or a ``.pth`` file
                of a ResNet of torchvision's.
            **settings: further settings of the configuration.
        """
        encoders, _ = load_encoders(text, resnet=image)
        seen = encoders.get("resnet")
        config = cls.config_class(
            text_encoder_config=encoders["text"].config,
            image_encoder_config=None if seen is None else seen.config,
            use_images=seen is not None,
            **settings,
        )
        return cls(config, encoders["text"], seen)

    def post_init(self) -> None:
        """Start the weights that were not loaded, and freeze the encoders that are to stay."""
        super().post_init()
        for encoder in self._frozen_encoders():
            encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Switch training on or off; frozen encoders stay as in evaluation, batch statistics included."""
        super().train(mode)
        for encoder in self._frozen_encoders():
            encoder.eval()
        return self

    def _frozen_encoders(self) -> list[nn.Module]:
        frozen = [self.text_encoder] if self.config.freeze_text_encoder else []
        if self.image_encoder is not None and self.config.freeze_image_encoder:
            frozen.append(self.image_encoder)
        return frozen

    def _encode_text(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None, token_type_ids: torch.Tensor | None
    ) -> torch.Tensor:
        """The text encoder's last layer: (batch, tokens, hidden)."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self.text_encoder(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
