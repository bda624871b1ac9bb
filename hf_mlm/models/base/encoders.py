"""Pretrained encoders under a model: opening, building and adjusting them; torchvision's ResNets among them."""

from __future__ import annotations

import inspect
import os
import pickle
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import transformers  # AutoModel only when called: importing it registers our models, which need this to be finished
from transformers import PreTrainedConfig, PreTrainedModel, ResNetConfig, ResNetModel

from hf_mlm.registry import MODELS


Source = str | os.PathLike[str]


def load_encoder(source: Source, part: str) -> PreTrainedModel:
    """Open a pretrained encoder, one half of a pair such as CLIP, or the encoder in a model of this package.

    Args:
        source: a local folder or a repository of the Hub, or a ``.pth`` file of a ResNet of torchvision's. Weights are
            opened in float32, whatever they were saved in: in bfloat16 small updates of training would be lost.
        part: where a pair's configuration keeps the wanted half: ``"text_config"`` or ``"vision_config"``.

    Raises:
        OSError: if there is no such folder, and no such repository that can be reached.
        ValueError: if a ``.pth`` file is refused or is no ResNet that torchvision defines, or a model of this package
            has no such encoder, or several.
    """
    if is_torchvision(source):
        return load_torchvision_resnet(source)
    with opening(source):
        config = transformers.AutoConfig.from_pretrained(source)
        if config.model_type not in MODELS:
            wanted = getattr(config, part, config)
            return transformers.AutoModel.from_pretrained(source, config=wanted, dtype=torch.float32)
        model = getattr(transformers, MODELS[config.model_type].auto_class).from_pretrained(source)
    return _encoder_inside(model, part)


def _encoder_inside(model: PreTrainedModel, part: str) -> PreTrainedModel:
    """Take the one text or image encoder out of a model of this package."""
    names = {"text_config": ["text_encoder_config"]}.get(part, ["image_encoder_config", "vit_config", "resnet_config"])
    wanted = [id(config) for name in names if (config := getattr(model.config, name, None)) is not None]
    found = [each for each in model.modules() if isinstance(each, PreTrainedModel) and id(each.config) in wanted]
    if len(found) != 1:
        raise ValueError(
            f"Expected one {names[0].split('_')[0]} encoder in the {model.config.model_type!r} model of "
            f"{model.name_or_path!r}, found {len(found)}: name the folder of an encoder."
        )
    return found[0]


def keep_layers(model: PreTrainedModel, layers: int) -> PreTrainedModel:
    """Cut a transformer to its first layers (the M of 2M-NER, Section 4.2.1, and the K of Section 4.2.2).

    Args:
        model: with ``num_hidden_layers`` in its configuration, which is changed too.
        layers: that stay.

    Raises:
        ValueError: if it has not so many, or no one stack of layers.
    """
    count = getattr(model.config, "num_hidden_layers", 0)
    stacks = [part for part in model.modules() if isinstance(part, torch.nn.ModuleList) and len(part) == count]
    if len(stacks) != 1 or not 1 <= layers <= count:
        raise ValueError(f"Expected 1 to {count} layers of a {model.config.model_type!r} encoder, found {layers}.")
    del stacks[0][layers:]
    model.config.num_hidden_layers = layers
    return model


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
    """Take an encoder that is loaded already, or make one with random weights; where nothing attends, by ``eager``."""
    if model is not None:
        return model
    attends = getattr(transformers.MODEL_MAPPING[type(config)], "_supports_sdpa", True)
    return transformers.AutoModel.from_config(config, **({} if attends else {"attn_implementation": "eager"}))


def attention_by_encoder(model: PreTrainedModel, implementation: str) -> dict[str, str]:
    """Choose an attention implementation for those of a model's encoders that attend, such as not a ResNet.

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


class Normalisation(NamedTuple):
    """How an encoder's images are normalised: less the mean, over the standard deviation of each channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def is_torchvision(source: Source) -> bool:
    """Whether a source is a file of torchvision's weights."""
    return os.fspath(source).endswith(".pth")


def normalisation(source: Source) -> Normalisation | None:
    """Look up how the images of an encoder from a source are normalised; None where nothing tells."""
    if is_torchvision(source):
        return Normalisation(IMAGE_MEAN, IMAGE_STD)
    try:
        images = transformers.AutoImageProcessor.from_pretrained(source)
    except (OSError, ValueError):
        return None
    return Normalisation(tuple(images.image_mean), tuple(images.image_std))


def pixel_rescaling(given: Source, wanted: Source) -> dict[str, list[float]]:
    """Find how the images that one source's encoder sees differ from those that another's image processor makes.

    Returns:
        The settings ``resnet_pixel_scale`` and ``resnet_pixel_shift``; none where a source tells no normalisation.
    """
    theirs, ours = normalisation(given), normalisation(wanted)
    return {} if theirs is None or ours is None else rescaling(theirs, ours)


def rescaling(given: Normalisation, wanted: Normalisation) -> dict[str, list[float]]:
    """Turn one normalisation into another: ``wanted = given * scale + shift`` for each channel.

    Example:
        >>> rescaling(Normalisation((0.5,), (0.5,)), Normalisation((0.0,), (1.0,)))
        {'resnet_pixel_scale': [0.5], 'resnet_pixel_shift': [0.5]}
    """
    scale = [a / b for a, b in zip(given.std, wanted.std, strict=True)]
    shift = [(a - b) / std for a, b, std in zip(given.mean, wanted.mean, wanted.std, strict=True)]
    return {"resnet_pixel_scale": scale, "resnet_pixel_shift": shift}


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
    """Read a ResNet of torchvision's, of any depth, from its saved state dict; its layer over the classes is left out.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is refused, or is no ResNet that torchvision defines.
    """
    return convert_torchvision_resnet(read_state_dict(path))


def convert_torchvision_resnet(theirs: Mapping[str, torch.Tensor]) -> ResNetModel:
    """Put a state dict of torchvision's ``ResNet`` into a ``ResNetModel`` that computes the same.

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
        prefix = f"encoder.stages.{int(stage) - 1}.layers.{layer}"
        if downsample is not None:
            return f"{prefix}.shortcut.{'convolution' if downsample == '0' else 'normalization'}.{value}"
        return f"{prefix}.layer.{int(number) - 1}.{parts[kind]}.{value}"
    return name
