"""Encoders of any architecture that ``AutoModel`` opens, under the models of the package."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager

import transformers  # AutoModel only when called: importing it registers our models, which need this to be finished
from transformers import PreTrainedConfig, PreTrainedModel


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
