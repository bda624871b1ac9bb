"""The published implementation's weights, read into `IRLEForRetrievalAndGeo`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.state_dicts import read_state_dict


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
