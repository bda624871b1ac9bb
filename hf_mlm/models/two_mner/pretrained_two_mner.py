"""The pretrained encoders that 2M-NER is put on, and how each of them wants its images."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import transformers  # the Auto classes only when called: importing them registers 2M-NER, which needs this file
from transformers import PreTrainedModel

from hf_mlm.models.encoders import load_encoder
from hf_mlm.models.torchvision_resnet import IMAGE_MEAN, IMAGE_STD, load_torchvision_resnet


Source = str | os.PathLike[str]


class Normalisation(NamedTuple):
    """How an encoder's images are normalised: less the mean, over the standard deviation of each channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_encoders(
    text: Source | None = None, vit: Source | None = None, resnet: Source | None = None
) -> tuple[dict[str, PreTrainedModel], dict[str, Any]]:
    """Open the encoders that are asked for, and find out how the ResNet's images differ from the ViT's.

    Args:
        text: folder or Hub name of a text model, or of a pair such as CLIP.
        vit: folder or Hub name of a vision model, or of a pair.
        resnet: the same, or a ``.pth`` file of torchvision's.

    Returns:
        The encoders that were asked for by the names ``"text"``, ``"vit"`` and ``"resnet"``, and the settings
        ``resnet_pixel_scale`` and ``resnet_pixel_shift`` where both image encoders tell how they normalise.
    """
    halves = {"text": (text, "text_config"), "vit": (vit, "vision_config")}
    encoders = {name: load_encoder(source, half) for name, (source, half) in halves.items() if source is not None}
    if resnet is not None:
        encoders["resnet"] = (
            load_torchvision_resnet(resnet) if is_torchvision(resnet) else load_encoder(resnet, "vision_config")
        )
    if vit is None or resnet is None:
        return encoders, {}
    given, wanted = normalisation(vit), normalisation(resnet)
    return encoders, {} if given is None or wanted is None else rescaling(given, wanted)


def is_torchvision(source: Source) -> bool:
    """Whether a source is a file of torchvision's weights."""
    return os.fspath(source).endswith(".pth")


def normalisation(source: Source) -> Normalisation | None:
    """Look up how an encoder's images are normalised; None where nothing tells.

    Args:
        source: folder or Hub name, or a ``.pth`` file of torchvision's.
    """
    if is_torchvision(source):
        return Normalisation(IMAGE_MEAN, IMAGE_STD)
    try:
        images = transformers.AutoImageProcessor.from_pretrained(source)
    except (OSError, ValueError):
        return None
    return Normalisation(tuple(images.image_mean), tuple(images.image_std))


def rescaling(given: Normalisation, wanted: Normalisation) -> dict[str, list[float]]:
    """Turn one normalisation into another: ``wanted = given * scale + shift`` for each channel.

    Example:
        >>> rescaling(Normalisation((0.5,), (0.5,)), Normalisation((0.0,), (1.0,)))
        {'resnet_pixel_scale': [0.5], 'resnet_pixel_shift': [0.5]}
    """
    scale = [a / b for a, b in zip(given.std, wanted.std, strict=True)]
    shift = [(a - b) / std for a, b, std in zip(given.mean, wanted.mean, wanted.std, strict=True)]
    return {"resnet_pixel_scale": scale, "resnet_pixel_shift": shift}
