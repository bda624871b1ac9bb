"""The layers of IR+LE: one branch a modality and the geo head that they share.

They are those of the published code and figure, with two of them computed more cheaply: the 1-wide convolution over
one position is a linear layer, and the LSTM over one step is a gated linear unit.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedConfig, PreTrainedModel

from hf_mlm.models.base.encoders import build_encoder, drop_pooler
from hf_mlm.models.layers.pooling import masked_mean, pool_image


class GatedLinear(nn.Linear):
    """An LSTM that reads a single step from a zero state.

    Its forget gate meets an empty cell and its recurrent weights an empty state, so what is left is
    ``sigmoid(o) * tanh(sigmoid(i) * tanh(g))`` with i, g, o, of ``size`` each, from one linear layer.

    Args:
        in_features: width of the input.
        size: width of the output.
    """

    def __init__(self, in_features: int, size: int):
        super().__init__(in_features, 3 * size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_features) to (batch, size)."""
        input_gate, candidate, output_gate = super().forward(features).chunk(3, dim=-1)  # (batch, size) each
        return output_gate.sigmoid() * (input_gate.sigmoid() * candidate.tanh()).tanh()


class ImageBranch(nn.Module):
    """Image features to unit vectors: linear, ReLU, linear, tanh."""

    def __init__(self, feature_size: int, embedding_size: int, standardize: bool = False):
        super().__init__()
        self.standardize = standardizer(feature_size, standardize)
        self.hidden = nn.Linear(feature_size, embedding_size)
        self.output = nn.Linear(embedding_size, embedding_size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (batch, feature_size) to float32 (batch, embedding_size) of length 1."""
        hidden = self.hidden(self.standardize(features.to(self.output.weight.dtype))).relu()  # (batch, embedding_size)
        return unit_length(self.output(hidden).tanh())


class SummaryBranch(nn.Module):
    """Summary features to unit vectors: gated linear, ReLU, linear, tanh."""

    def __init__(self, feature_size: int, embedding_size: int, standardize: bool = False):
        super().__init__()
        self.standardize = standardizer(feature_size, standardize)
        self.hidden = GatedLinear(feature_size, embedding_size)
        self.output = nn.Linear(embedding_size, embedding_size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (batch, feature_size) to float32 (batch, embedding_size) of length 1."""
        hidden = self.hidden(self.standardize(features.to(self.output.weight.dtype))).relu()  # (batch, embedding_size)
        return unit_length(self.output(hidden).tanh())


class ClassBranch(nn.Module):
    """Class features to unit vectors: gated linear, ReLU, dropout, linear."""

    def __init__(self, feature_size: int, embedding_size: int, dropout: float, standardize: bool = False):
        super().__init__()
        self.standardize = standardizer(feature_size, standardize)
        self.hidden = GatedLinear(feature_size, embedding_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(embedding_size, embedding_size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (batch, feature_size) to float32 (batch, embedding_size) of length 1."""
        hidden = self.hidden(self.standardize(features.to(self.output.weight.dtype))).relu()  # (batch, embedding_size)
        return unit_length(self.output(self.dropout(hidden)))


class GeoHead(nn.Module):
    """Embeddings of any modality to cells: linear, ReLU, dropout, linear."""

    def __init__(self, embedding_size: int, num_geo_cells: int, dropout: float):
        super().__init__()
        self.hidden = nn.Linear(embedding_size, embedding_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(embedding_size, num_geo_cells)

    def forward(self, embeds: torch.Tensor) -> torch.Tensor:
        """Map (batch, embedding_size) to logits (batch, num_geo_cells)."""
        hidden = self.hidden(embeds.to(self.hidden.weight.dtype)).relu()  # (batch, embedding_size)
        return self.output(self.dropout(hidden))


def standardizer(feature_size: int, standardize: bool) -> nn.Module:
    """Bring each of the features (batch, feature_size) to mean 0 and variance 1 over the batches, or leave them."""
    return nn.BatchNorm1d(feature_size, affine=False) if standardize else nn.Identity()


def unit_length(vectors: torch.Tensor) -> torch.Tensor:
    """Scale (batch, size) to length 1, in float32 whatever the input."""
    return functional.normalize(vectors.float(), dim=-1)


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
