"""Configurations of models and of their encoders from settings, and the tokenizers that go with them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterator
from typing import Any, cast

from datasets import Dataset
from huggingface_hub.errors import StrictDataclassError
from transformers import CONFIG_MAPPING, AutoConfig, AutoTokenizer

from hf_mlm.models.tagger_config import TaggerConfig
from hf_mlm.training.arguments_ner import NERArguments
from hf_mlm.training.settings import refuse_unknown
from hf_mlm.training.tokenizer import learn_tokenizer


def described(encoder: Any, tokenizer: Any = None) -> Any:
    """Make the configuration of an encoder, with the size of the tokenizer's vocabulary if it is of texts.

    Args:
        encoder: its settings, ``model_type`` among them.
        tokenizer: of texts.

    Raises:
        ValueError: if there is no ``model_type``, or transformers does not know it.
    """
    described = dict(encoder or {})
    if "model_type" not in described:
        raise ValueError(f"the encoder {described} needs a model_type, such as resnet or bert, or name its folder.")
    kind = described["model_type"]
    if kind not in CONFIG_MAPPING:
        near = difflib.get_close_matches(str(kind), list(CONFIG_MAPPING), n=1) or ["bert"]
        raise ValueError(
            f"transformers knows no encoder of model_type={kind!r}; name one that it does, as {near[0]!r}."
        )
    if tokenizer is not None:
        described |= {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    return AutoConfig.for_model(described.pop("model_type"), **described)


def configure(
    make: Callable[..., TaggerConfig], kind: type[TaggerConfig], arguments: NERArguments, rows: Dataset, **found: Any
) -> Any:
    """Make a configuration of what was found and of what ``arguments.model`` asks for.

    Args:
        make: the class, or one of its presets.
        kind: the class, whose fields are the settings there are.
        arguments: ``model``.
        rows: whose tags name the labels.
        **found: settings that encoders and data determine.

    Raises:
        ValueError: if a setting is unknown or wrong.
    """
    asked = cast(dict[str, Any], arguments.model)
    refuse_unknown(asked, {field.name for field in dataclasses.fields(kind)}, "model")
    names = rows.features["ner_tags"].feature.names
    try:
        return make(**{"id2label": dict(enumerate(names)), **found, **asked})
    except StrictDataclassError as error:
        raise ValueError(f"model: {error.__cause__ or error}") from error


def text_tokenizer(arguments: NERArguments, rows: Dataset) -> Any:
    """The tokenizer that is named, the text encoder's, or one learned on the sentences, in their case."""
    folder = arguments.tokenizer or arguments.text_encoder
    if isinstance(folder, str):
        return AutoTokenizer.from_pretrained(folder)
    if folder is None:
        raise ValueError(
            f"{arguments.model_type} needs a text_encoder: name the folder of a transformers model, or give a "
            "configuration such as {model_type: bert, hidden_size: 128}."
        )
    return learn_tokenizer(_texts(rows), arguments.vocabulary_size, lowercase=False)


def _texts(rows: Dataset) -> Iterator[str]:
    return (" ".join(words) for words in rows["tokens"])
