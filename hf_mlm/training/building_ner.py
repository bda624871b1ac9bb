"""The tagger and the processor that fit a dataset and the settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from datasets import Dataset
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel

from hf_mlm.models.crf_tagger import CRFTaggerConfig, CRFTaggerForTokenClassification
from hf_mlm.models.encoders import load_encoder
from hf_mlm.models.tagger_config import TaggerConfig
from hf_mlm.models.tagger_processor import TaggerProcessor
from hf_mlm.models.two_mner import TwoMNERConfig, TwoMNERForTokenClassification, TwoMNERProcessor
from hf_mlm.models.two_mner.configuration_two_mner import BRANCHES
from hf_mlm.models.two_mner.pretrained_two_mner import load_encoders
from hf_mlm.training.arguments_ner import ENCODERS, NERArguments
from hf_mlm.training.preparation import build_image_processor
from hf_mlm.training.settings import refuse_unknown
from hf_mlm.training.tokenizer import learn_tokenizer


Tagger = tuple[PreTrainedModel, Any]
Builder = Callable[[NERArguments, Dataset, Any], Tagger]


def build_tagger(arguments: NERArguments, rows: Dataset, processor: Any = None) -> Tagger:
    """Build the model that ``model_type`` names, and its processor.

    Args:
        arguments: model, encoders and their processors.
        rows: training sentences, whose tags name the labels, and which a new tokenizer learns from.
        processor: of an interrupted run, taken over.

    Returns:
        The model, with ``freeze`` applied, and the processor.

    Raises:
        ValueError: if there is no such model, or a setting is unknown, missing or wrong.
    """
    kind = arguments.model_type.replace("-", "_")
    if kind not in BUILDERS:
        raise ValueError(f"there is no tagger {arguments.model_type!r}; choose one of {', '.join(BUILDERS)}.")
    model, processor = BUILDERS[kind](arguments, rows, processor)
    freeze(model, arguments.freeze or [])
    return model, processor


def freeze(model: nn.Module, parts: Sequence[str]) -> None:
    """Leave named parts of a model as they are.

    Args:
        model: to be trained.
        parts: names of modules or parameters.

    Raises:
        ValueError: if the model has no such part.
    """
    for part in parts:
        chosen = [value for name, value in model.named_parameters() if f"{name}.".startswith(f"{part}.")]
        if not chosen:
            known = ", ".join(name for name, _ in model.named_children())
            raise ValueError(f"freeze names {part!r}, which the model has not; its parts are {known}.")
        for parameter in chosen:
            parameter.requires_grad_(False)


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


def described(settings: Any, tokenizer: Any = None) -> Any:
    """A configuration from a mapping, with the size of the tokenizer's vocabulary if it is of texts."""
    settings = dict(settings)
    if "model_type" not in settings:
        raise ValueError(f"the encoder {settings} needs a model_type, such as resnet or bert, or name its folder.")
    if tokenizer is not None:
        settings |= {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    return AutoConfig.for_model(settings.pop("model_type"), **settings)


def build_crf_tagger(arguments: NERArguments, rows: Dataset, processor: Any = None) -> Tagger:
    """BERT-CRF on any encoder, or BERT with ``head: softmax``."""
    processor = processor or TaggerProcessor(text_tokenizer(arguments, rows), arguments.max_length)
    encoder = arguments.text_encoder
    loaded = load_encoder(encoder, "text_config") if isinstance(encoder, str) else None
    text = loaded.config if loaded else described(encoder, processor.tokenizer)
    config = configure(CRFTaggerConfig, CRFTaggerConfig, arguments, rows, text_encoder_config=text)
    return CRFTaggerForTokenClassification(config, loaded), processor


def build_two_mner(arguments: NERArguments, rows: Dataset, processor: Any = None) -> Tagger:
    """2M-NER on the encoders that are named; its image branches are those that have one."""
    given = {name: getattr(arguments, name) for name in ENCODERS if getattr(arguments, name) is not None}
    processor = processor or _two_mner_processor(arguments, rows, given)
    folders = {name.removesuffix("_encoder"): source for name, source in given.items() if isinstance(source, str)}
    encoders, found = load_encoders(**folders)
    configs = {
        f"{name}_config": described(source, processor.tokenizer if name == "text_encoder" else None)
        for name, source in given.items()
        if not isinstance(source, str)
    }
    configs |= {
        f"{'text_encoder' if name == 'text' else name}_config": encoder.config for name, encoder in encoders.items()
    }
    branches = [name for name in BRANCHES if name in given]
    make = TwoMNERConfig.reference if arguments.reference else TwoMNERConfig
    config = configure(make, TwoMNERConfig, arguments, rows, image_branches=branches, **configs, **found)
    return TwoMNERForTokenClassification(config, *map(encoders.get, ("text", *BRANCHES))), processor


def _two_mner_processor(arguments: NERArguments, rows: Dataset, given: dict[str, Any]) -> TaggerProcessor:
    tokenizer = text_tokenizer(arguments, rows)
    encoder = given.get("vit", given.get("resnet"))
    if encoder is None:
        return TaggerProcessor(tokenizer, arguments.max_length)
    images = build_image_processor(encoder, arguments.image_processor)
    return TwoMNERProcessor(images, tokenizer, arguments.max_length)


def _texts(rows: Dataset) -> Iterator[str]:
    return (" ".join(words) for words in rows["tokens"])


BUILDERS: dict[str, Builder] = {"crf_tagger": build_crf_tagger, "two_mner": build_two_mner}
