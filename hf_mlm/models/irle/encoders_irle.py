"""The encoders under IR+LE when it reads pixels and token ids: any that ``AutoModel`` opens."""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from hf_mlm.models.encoders import build_encoder, drop_pooler
from hf_mlm.models.layers.pooling import masked_mean, pool_image


class ImageEncoder(nn.Module):
    """A vision model and the pooling of what it returns.

    Args:
        config: configuration of the vision model.
        model: the vision model, already loaded; built from ``config`` when omitted.
    """

    def __init__(self, config: PreTrainedConfig, model: PreTrainedModel | None = None):
        super().__init__()
        self.model = build_encoder(config, model)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, height, width) to (batch, hidden)."""
        return pool_image(self.model(pixel_values=pixel_values.to(self.model.dtype)))


class TextEncoder(nn.Module):
    """A text model and the mean over its tokens.

    Args:
        config: configuration of the text model.
        model: the text model, already loaded; built from ``config`` when omitted.
    """

    def __init__(self, config: PreTrainedConfig, model: PreTrainedModel | None = None):
        super().__init__()
        self.model = drop_pooler(build_encoder(config, model))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Map int64 (batch, tokens) to (batch, hidden)."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return masked_mean(hidden, attention_mask)
