"""What 2M-NER sees of an image: tokens for words to look at, a vector to align with the sentence (Equations 4-6)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from transformers import PreTrainedModel

from hf_mlm.models.encoder_sizes import feature_size, patch_count
from hf_mlm.models.encoders import build_encoder, drop_pooler
from hf_mlm.models.layers.pooling import pool_image
from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig


class ImageFeatures(NamedTuple):
    """An encoder's view of the images.

    Args:
        tokens: (images, tokens, channels), patches or positions of a feature map: what words attend to.
        vector: (images, size), of the whole image: what is aligned with the sentence.
    """

    tokens: torch.Tensor
    vector: torch.Tensor


class ImageEncoder(nn.Module):
    """The ViT or the ResNet of 2M-NER.

    Args:
        config: of the whole model.
        name: ``"vit"`` or ``"resnet"``.
        model: the encoder, already loaded; built from the configuration when omitted.
    """

    def __init__(self, config: TwoMNERConfig, name: str, model: PreTrainedModel | None = None):
        super().__init__()
        encoder_config = getattr(config, f"{name}_config")
        self.model = drop_pooler(build_encoder(encoder_config, model))
        self.pools_tokens = name == "resnet" and config.resnet_tokens == "pooled"
        self.flattens = name == "vit" and config.alignment_vit_pooling == "flatten"
        self.rescaling = config.rescaling if name == "resnet" else None
        self.channels = feature_size(encoder_config)
        self.vector_size = self.channels * (patch_count(encoder_config) if self.flattens else 1)

    def forward(self, pixel_values: torch.Tensor) -> ImageFeatures:
        """Look at (images, 3, height, width)."""
        if self.rescaling is not None:
            scale, shift = pixel_values.new_tensor(self.rescaling)[..., None, None]  # (3, 1, 1) each
            pixel_values = pixel_values * scale + shift
        outputs = self.model(pixel_values=pixel_values.to(self.model.dtype))
        hidden = outputs.last_hidden_state
        tokens = hidden.flatten(2).transpose(1, 2) if hidden.dim() == 4 else hidden
        pooled = pool_image(outputs)
        return ImageFeatures(
            tokens=pooled.unsqueeze(1) if self.pools_tokens else tokens,
            vector=tokens.flatten(1) if self.flattens else pooled,
        )
