"""The layers of IR+LE, one branch a modality and the geo head that they share, and the published weights for them.

They are those of the published code and figure, with two of them computed more cheaply: the 1-wide convolution over
one position is a linear layer, and the LSTM over one step is a gated linear unit.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedConfig, PreTrainedModel

from hf_mlm.models.base.encoders import build_encoder, drop_pooler, read_state_dict
from hf_mlm.models.irle.configuration_irle import IRLEConfig
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
        pooling: ``"encoder"`` or ``"moments"``, as in `IRLEConfig`.
    """

    def __init__(self, config: PreTrainedConfig, model: PreTrainedModel | None = None, pooling: str = "encoder"):
        super().__init__()
        self.model, self.pooling = build_encoder(config, model), pooling

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, height, width) to (batch, hidden), or to the moments of all stages."""
        pixel_values = pixel_values.to(self.model.dtype)
        if self.pooling == "encoder":
            return pool_image(self.model(pixel_values=pixel_values))
        return pool_moments(self.model(pixel_values=pixel_values, output_hidden_states=True).hidden_states)


def pool_moments(stages: Sequence[torch.Tensor]) -> torch.Tensor:
    """Take mean and standard deviation of every channel of every stage of a convolutional encoder.

    An overhead image is told by how its colours and textures are distributed, not by where they lie.

    Args:
        stages: feature maps (batch, channels, height, width), coarser from one to the next.

    Returns:
        (batch, moments), two for each channel of each stage.

    Example:
        >>> pool_moments([torch.tensor([[[[1.0, 3.0]]]])])
        tensor([[2.0000, 1.0000]])
    """
    parts = []
    for stage in stages:
        values = stage.float().flatten(2)  # (batch, channels, positions)
        parts += [values.mean(dim=2), (values.var(dim=2, correction=0) + 1e-6).sqrt()]
    return torch.cat(parts, dim=1).to(stages[0].dtype)


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


# Our linear layer -> theirs; two of the three layers below were something else that computes the same.
LINEAR_LAYERS = {
    "image_branch.output": "learn_img.embedding.3",
    "summary_branch.output": "learn_sum.embedding.3",
    "class_branch.output": "learn_cls.embedding.4",
    "geo_head.hidden": "coord_net.coord_net.0",
    "geo_head.output": "coord_net.coord_net.4",
    "text_fusion": "fc1",
    "text_geo_fusion": "fc2",
}
CONVOLUTION = ("image_branch.hidden", "learn_img.embedding.0")
LSTMS = {
    "summary_branch.hidden": "learn_sum.embedding.0",
    "class_branch.hidden": "learn_cls.embedding.0",
}


def read_reference_state_dict(
    source: Mapping[str, Any] | str | os.PathLike[str], config: IRLEConfig
) -> dict[str, torch.Tensor]:
    """Translate the published implementation's weights into those of `IRLEForRetrievalAndGeo`.

    Args:
        source: its ``state_dict``, a checkpoint that holds one under that name, or the path of either. Files are read
            with ``weights_only=True``: one that holds more than tensors and plain values is refused.
        config: of the model that will take the weights.

    Raises:
        ValueError: if the file is refused, a weight is missing, or the sizes are not those of ``config``.
    """
    theirs = read_state_dict(source) if isinstance(source, (str, os.PathLike)) else source
    theirs = theirs.get("state_dict", theirs)
    try:
        ours = _translate(theirs)
    except KeyError as error:
        raise ValueError(
            f"this is no checkpoint of the published IR+LE: it has no {error}, only {sorted(theirs)[:5]} and so on."
        ) from error
    _check_sizes(ours, config)
    return ours


def _translate(theirs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    ours = {
        f"{name}.{part}": theirs[f"{their_name}.{part}"]
        for name, their_name in LINEAR_LAYERS.items()
        for part in ("weight", "bias")
    }
    name, their_name = CONVOLUTION
    ours[f"{name}.weight"] = theirs[f"{their_name}.weight"].squeeze(-1)  # a kernel of width 1
    ours[f"{name}.bias"] = theirs[f"{their_name}.bias"]
    for name, their_name in LSTMS.items():
        biases = theirs[f"{their_name}.bias_ih_l0"] + theirs[f"{their_name}.bias_hh_l0"]
        ours[f"{name}.weight"] = _without_forget_gate(theirs[f"{their_name}.weight_ih_l0"])
        ours[f"{name}.bias"] = _without_forget_gate(biases)
    return ours


def _without_forget_gate(gates: torch.Tensor) -> torch.Tensor:
    """Keep input gate, candidate and output gate of torch's (input, forget, candidate, output)."""
    input_gate, _, candidate, output_gate = gates.chunk(4)
    return torch.cat([input_gate, candidate, output_gate])


def _check_sizes(ours: Mapping[str, torch.Tensor], config: IRLEConfig) -> None:
    sizes = {
        "image_feature_size": ours["image_branch.hidden.weight"].shape[1],
        "summary_feature_size": ours["summary_branch.hidden.weight"].shape[1],
        "class_feature_size": ours["class_branch.hidden.weight"].shape[1],
        "embedding_size": ours["image_branch.hidden.weight"].shape[0],
        "num_geo_cells": ours["geo_head.output.weight"].shape[0],
        "use_classes": True,
    }
    wrong = {name: value for name, value in sizes.items() if getattr(config, name) != value}
    if wrong:
        asked = ", ".join(f"{name}={getattr(config, name)}" for name in wrong)
        wanted = ", ".join(f"{name}={value}" for name, value in wrong.items())
        raise ValueError(f"this model has {asked} and the checkpoint is for others: configure {wanted}.")
