"""The tagger and the processor that fit a dataset and the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from datasets import Dataset, DatasetDict
from torch import nn
from transformers import PreTrainedModel

from hf_mlm.models.crf_tagger import CRFTaggerConfig, CRFTaggerForTokenClassification
from hf_mlm.models.encoders import load_encoder
from hf_mlm.models.tagger_processor import TaggerProcessor
from hf_mlm.models.two_mner import TwoMNERConfig, TwoMNERForTokenClassification, TwoMNERProcessor
from hf_mlm.models.two_mner.configuration_two_mner import BRANCHES
from hf_mlm.models.two_mner.pretrained_two_mner import load_encoders
from hf_mlm.training.arguments_ner import ENCODERS, NERArguments
from hf_mlm.training.building_baselines import IMAGE_TAGGERS, WORD_LEVEL, build_image_tagger, build_word_tagger
from hf_mlm.training.configuring import configure, described, text_tokenizer
from hf_mlm.training.preparation import build_image_processor


Tagger = tuple[PreTrainedModel, Any]
Builder = Callable[[NERArguments, DatasetDict, Any], Tagger]


def build_tagger(arguments: NERArguments, dataset: DatasetDict, processor: Any = None) -> Tagger:
    """Build the model that ``model_type`` names, and its processor.

    Args:
        arguments: model, encoders and their processors.
        dataset: all splits; the tags of ``train`` name the labels, and a new tokenizer or vocabulary learns from it.
        processor: of an interrupted run, taken over.

    Returns:
        The model, with ``freeze`` applied, and the processor.

    Raises:
        ValueError: if there is no such model, or a setting is unknown, missing or wrong.
    """
    kind = arguments.model_type
    if kind not in BUILDERS:
        raise ValueError(f"there is no tagger {arguments.model_type!r}; choose one of {', '.join(BUILDERS)}.")
    model, processor = BUILDERS[kind](arguments, dataset, processor)
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


def build_crf_tagger(arguments: NERArguments, dataset: DatasetDict, processor: Any = None) -> Tagger:
    """BERT-CRF on any encoder, or BERT with ``head: softmax``."""
    rows = dataset["train"]
    processor = processor or TaggerProcessor(text_tokenizer(arguments, rows), arguments.max_length)
    encoder = arguments.text_encoder
    loaded = load_encoder(encoder, "text_config") if isinstance(encoder, str) else None
    text = loaded.config if loaded else described(encoder, processor.tokenizer)
    config = configure(CRFTaggerConfig, CRFTaggerConfig, arguments, rows, text_encoder_config=text)
    return CRFTaggerForTokenClassification(config, loaded), processor


def build_two_mner(arguments: NERArguments, dataset: DatasetDict, processor: Any = None) -> Tagger:
    """2M-NER on the encoders that are named; its image branches are those that have one."""
    rows = dataset["train"]
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


BUILDERS: dict[str, Builder] = {
    "crf_tagger": build_crf_tagger,
    "two_mner": build_two_mner,
    **dict.fromkeys(WORD_LEVEL, build_word_tagger),
    **dict.fromkeys(IMAGE_TAGGERS, build_image_tagger),
}
