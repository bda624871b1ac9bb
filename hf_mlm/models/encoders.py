"""Encoders of any architecture that ``AutoModel`` opens, under the models of the package."""

from __future__ import annotations

import inspect
import os

import transformers  # AutoModel only when called: importing it registers our models, which need this to be finished
from transformers import PreTrainedConfig, PreTrainedModel


def load_encoder(name_or_path: str | os.PathLike[str], part: str) -> PreTrainedModel:
    """Open a pretrained encoder, or one half of a pretrained pair such as CLIP.

    Args:
        name_or_path: a local folder or a repository of the Hub.
        part: where a pair's configuration keeps the wanted half, such as ``"vision_config"``.
    """
    config = transformers.AutoConfig.from_pretrained(name_or_path)
    return transformers.AutoModel.from_pretrained(name_or_path, config=getattr(config, part, config))


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
