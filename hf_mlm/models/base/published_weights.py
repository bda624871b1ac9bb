"""Weights from files that others made."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Mapping
from typing import Any

import torch
from transformers import ResNetConfig, ResNetModel


# What torch raises for a file that holds code or is damaged, by where it stumbles.
_REFUSALS = (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError)


def read_state_dict(path: str | os.PathLike[str]) -> Any:
    """Read what ``torch.save`` wrote, without running any code in it.

    Args:
        path: of a file with tensors and plain values alone.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or holds more than tensors and plain values.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except _REFUSALS as error:
        raise ValueError(
            f"{os.fspath(path)} is refused: it is damaged, or holds more than tensors and could run code. "
            "Save the model's state_dict alone."
        ) from error


IMAGE_MEAN, IMAGE_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the images that the weights are for

_STEM = re.compile(r"(conv|bn)1\.(\w+)")
_BLOCK = re.compile(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.(\d))\.(\w+)")
_NEEDED = ("conv1.weight", *(f"layer{stage}.0.conv1.weight" for stage in "1234"))


def load_torchvision_resnet(path: str | os.PathLike[str]) -> ResNetModel:
    """Read a ResNet of torchvision's, of any depth; its layer over the classes is left out.

    Args:
        path: a state dict saved by ``torch.save``; read with ``weights_only=True``, so that no code in it runs.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is refused, or is no ResNet that torchvision defines.
    """
    return convert_torchvision_resnet(read_state_dict(path))


def convert_torchvision_resnet(theirs: Mapping[str, torch.Tensor]) -> ResNetModel:
    """Put torchvision's weights into a ``ResNetModel`` that computes the same.

    Args:
        theirs: state dict of torchvision's ``ResNet``.

    Raises:
        ValueError: if it is not that of a ResNet, or of one whose blocks differ, such as a ResNeXt.
    """
    _refuse_foreign_names(theirs)
    weights = {_rename(name): values for name, values in theirs.items() if not name.startswith("fc.")}
    try:
        model = ResNetModel(_config(theirs))
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"this is no state dict of a ResNet of torchvision's: {error}.") from error
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]  # older files lack these counters
    if missing or unexpected:
        raise ValueError(
            f"this is no state dict of a ResNet of torchvision's: it lacks {missing[:3]} and has {unexpected[:3]}."
        )
    return model.eval()


def _refuse_foreign_names(theirs: Mapping[str, Any]) -> None:
    """Refuse what lacks the first weight of the stem or of a stage, showing the names that are there instead."""
    for name in _NEEDED:
        if name not in theirs:
            raise ValueError(
                f"this is no state dict of a ResNet of torchvision's: it has no {name}, and begins with "
                f"{', '.join(map(str, list(theirs)[:3])) or 'nothing'}."
            )


def _config(theirs: Mapping[str, Any]) -> ResNetConfig:
    """Sizes and depths, as the shapes tell them."""
    blocks = [match for match in map(_BLOCK.fullmatch, theirs) if match]
    depths = [1 + max(int(match[2]) for match in blocks if match[1] == stage) for stage in "1234"]
    last = "conv3" if "layer1.0.conv3.weight" in theirs else "conv2"
    return ResNetConfig(
        num_channels=theirs["conv1.weight"].shape[1],
        embedding_size=theirs["conv1.weight"].shape[0],
        hidden_sizes=[theirs[f"layer{stage}.0.{last}.weight"].shape[0] for stage in (1, 2, 3, 4)],
        depths=depths,
        layer_type="bottleneck" if last == "conv3" else "basic",
    )


def _rename(name: str) -> str:
    parts = {"conv": "convolution", "bn": "normalization"}
    if stem := _STEM.fullmatch(name):
        return f"embedder.embedder.{parts[stem[1]]}.{stem[2]}"
    if block := _BLOCK.fullmatch(name):
        stage, layer, kind, number, downsample, value = block.groups()
        place = f"encoder.stages.{int(stage) - 1}.layers.{layer}"
        if downsample is not None:
            return f"{place}.shortcut.{'convolution' if downsample == '0' else 'normalization'}.{value}"
        return f"{place}.layer.{int(number) - 1}.{parts[kind]}.{value}"
    return name
