"""The encoders under IR+LE when it reads pixels and token ids: any that ``AutoModel`` opens."""

from __future__ import annotations

import inspect
import os

import torch
import transformers  # AutoModel only when called: importing it registers IR+LE, which needs this module to be finished
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from hf_mlm.models.layers.pooling import masked_mean, pool_image


class ImageEncoder(nn.Module):
    """A vision model and the pooling of what it returns.

    Args:
        config: configuration of the vision model.
        model: the vision model, already loaded; built from ``config`` when omitted.
    """

    def __init__(self, config: PreTrainedConfig, model: PreTrainedModel | None = None):
        super().__init__()
        self.model = transformers.AutoModel.from_config(config) if model is None else model

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
        self.model = transformers.AutoModel.from_config(config) if model is None else model
        if "add_pooling_layer" in inspect.signature(type(self.model).__init__).parameters:
            self.model.pooler = None  # the model's own way to go without; its weights would get no gradient

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Map int64 (batch, tokens) to (batch, hidden)."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return masked_mean(hidden, attention_mask)


def load_encoder(name_or_path: str | os.PathLike[str], part: str) -> PreTrainedModel:
    """Open a pretrained encoder, or one half of a pretrained pair such as CLIP.

    Args:
        name_or_path: a local folder or a repository of the Hub.
        part: where a pair's configuration keeps the wanted half, such as ``"vision_config"``.
    """
    config = transformers.AutoConfig.from_pretrained(name_or_path)
    return transformers.AutoModel.from_pretrained(name_or_path, config=getattr(config, part, config))
