"""What the configuration of an encoder says of the sizes of its output."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import transformers  # AutoModel only when called: importing it registers our models, which need this to be finished
from transformers import PreTrainedConfig, PreTrainedModel

from hf_mlm.models.base.published_weights import IMAGE_MEAN, IMAGE_STD, load_torchvision_resnet


def load_encoder(name_or_path: str | os.PathLike[str], part: str) -> PreTrainedModel:
    """Open a pretrained encoder, or one half of a pretrained pair such as CLIP.

    Args:
        name_or_path: a local folder or a repository of the Hub.
        part: where a pair's configuration keeps the wanted half, such as ``"vision_config"``.

    Raises:
        OSError: if there is no such folder, and no such repository that can be reached.
    """
    with opening(name_or_path):
        config = transformers.AutoConfig.from_pretrained(name_or_path)
        return transformers.AutoModel.from_pretrained(name_or_path, config=getattr(config, part, config))


@contextmanager
def opening(name_or_path: str | os.PathLike[str]) -> Iterator[None]:
    """Say in a sentence what could not be opened.

    Args:
        name_or_path: of what the block opens.

    Raises:
        OSError: with that sentence, if the block finds no such folder and no such repository that it can reach.
    """
    try:
        yield
    except OSError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise OSError(
            f"{os.fspath(name_or_path)!r} cannot be opened ({reason}): name the folder of a saved model, or a "
            "repository of the Hub while that can be reached."
        ) from error


def build_encoder(config: PreTrainedConfig, model: PreTrainedModel | None = None) -> PreTrainedModel:
    """Take an encoder that is loaded already, or make one with random weights.

    Args:
        config: of the encoder; its choice of an attention implementation is left aside where nothing attends.
        model: the encoder, already loaded.
    """
    if model is not None:
        return model
    attends = getattr(transformers.MODEL_MAPPING[type(config)], "_supports_sdpa", True)
    return transformers.AutoModel.from_config(config, **({} if attends else {"attn_implementation": "eager"}))


def attention_by_encoder(model: PreTrainedModel, implementation: str) -> dict[str, str]:
    """Choose an attention implementation for those of a model's encoders that attend, such as not a ResNet.

    Args:
        model: with a configuration for each of its encoders.
        implementation: for the model and its encoders.

    Returns:
        What ``set_attn_implementation`` takes.
    """
    encoders = [part for part in model.modules() if isinstance(part, PreTrainedModel) and part is not model]
    without = [id(encoder.config) for encoder in encoders if not encoder._supports_sdpa]
    choices = {name: getattr(model.config, name) for name in model.config.sub_configs}
    return {"": implementation} | {
        name: "eager" if id(config) in without else implementation for name, config in choices.items()
    }


def drop_pooler(model: PreTrainedModel) -> PreTrainedModel:
    """Take away the layer over the first token, whose weights get no gradient when tokens alone are used."""
    if "add_pooling_layer" in inspect.signature(type(model).__init__).parameters:
        model.pooler = None  # the model's own way to go without
    return model


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
