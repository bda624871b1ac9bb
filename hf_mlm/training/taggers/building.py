"""Configurations of models and of their encoders from settings, and the tokenizers that go with them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from datasets import Dataset, DatasetDict
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import CONFIG_MAPPING, AutoConfig, AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from hf_mlm.models.base.configuration import TaggerConfig
from hf_mlm.models.base.encoders import load_encoder, load_encoders
from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.models.base.regions import BoxFile, RegionProcessor, RegionProvider
from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from hf_mlm.models.mkgformer.configuration_mkgformer import MKGFormerConfig
from hf_mlm.models.mkgformer.modeling_mkgformer import MKGFormerForTokenClassification
from hf_mlm.models.two_mner.configuration_two_mner import BRANCHES, TwoMNERConfig
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor
from hf_mlm.models.umgf.configuration_umgf import UMGFConfig
from hf_mlm.models.umgf.modeling_umgf import UMGFForTokenClassification
from hf_mlm.models.umt.configuration_umt import UMTConfig
from hf_mlm.models.umt.modeling_umt import UMTForTokenClassification
from hf_mlm.models.word_level.adacan import AdaCANForTokenClassification
from hf_mlm.models.word_level.bilstm_crf import BiLSTMCRFForTokenClassification
from hf_mlm.models.word_level.configuration import AdaCANConfig, BiLSTMCRFConfig, HBiLSTMCRFConfig
from hf_mlm.models.word_level.hbilstm_crf import HBiLSTMCRFForTokenClassification
from hf_mlm.models.word_level.processing import AdaCANProcessor, WordLevelProcessor
from hf_mlm.models.word_level.vectors import WordVectorSource, load_use_vectors, read_word_vectors
from hf_mlm.runs.settings import refuse_unknown
from hf_mlm.training.base.processors import build_image_processor, learn_tokenizer
from hf_mlm.training.taggers.arguments import ENCODERS, NERArguments


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


logger = logging.get_logger(__name__)

USE_VECTORS = "use"  # the multilingual Universal Sentence Encoder's sub-words
WORD_LEVEL = {
    "bilstm_crf": (BiLSTMCRFConfig, BiLSTMCRFForTokenClassification),
    "hbilstm_crf": (HBiLSTMCRFConfig, HBiLSTMCRFForTokenClassification),
    "adacan": (AdaCANConfig, AdaCANForTokenClassification),
}
REGIONAL = ("umgf", "mkgformer")
IMAGE_TAGGERS = {
    "umt": (UMTConfig, UMTForTokenClassification),
    "umgf": (UMGFConfig, UMGFForTokenClassification),
    "mkgformer": (MKGFormerConfig, MKGFormerForTokenClassification),
}


def build_word_tagger(
    arguments: NERArguments, dataset: DatasetDict, processor: Any = None
) -> tuple[PreTrainedModel, Any]:
    """BiLSTM-CRF, HBiLSTM-CRF or AdaCAN, with the words of the training split and perhaps pretrained vectors."""
    kind, model_class = WORD_LEVEL[arguments.model_type]
    vectors = _vectors(arguments, dataset)
    image = _image_encoder(arguments) if arguments.model_type == "adacan" else None
    processor = processor or _word_processor(arguments, dataset, vectors, image)
    found: dict[str, Any] = processor.vocabulary.settings()
    if arguments.model_type == "bilstm_crf":
        found.pop("num_characters")
    if vectors is not None:
        found["word_embedding_size"] = vectors.size
    loaded = None
    if arguments.model_type == "adacan":
        loaded, config = _opened(image)
        found |= {"image_encoder_config": config, "use_images": image is not None}
    config = configure(kind, kind, arguments, dataset["train"], **found)
    model = model_class(config) if loaded is None else AdaCANForTokenClassification(config, loaded)
    if vectors is not None:
        coverage = model.load_word_vectors(processor.vocabulary, vectors)
        logger.warning(
            f"Of the words, {coverage.exact:,} have a pretrained vector, {coverage.lowercased:,} one in lower case, "
            f"and {coverage.absent:,} none."
        )
    return model, processor


def build_image_tagger(
    arguments: NERArguments, dataset: DatasetDict, processor: Any = None
) -> tuple[PreTrainedModel, Any]:
    """UMT, UMGF or MKGFormer; without an image encoder their text-only forms."""
    kind, model_class = IMAGE_TAGGERS[arguments.model_type]
    image, text = _image_encoder(arguments), arguments.text_encoder
    processor = processor or _image_tagger_processor(arguments, dataset["train"], image)
    encoders, _ = load_encoders(text) if isinstance(text, str) else ({}, {})
    loaded, config = _opened(image)
    found = {
        "text_encoder_config": encoders["text"].config if encoders else described(text, processor.tokenizer),
        "image_encoder_config": config,
        "use_images": image is not None,
    }
    if arguments.model_type in REGIONAL and image is not None:
        provider = processor.provider()
        _check_boxes(arguments, provider, dataset["train"])
        if arguments.model_type == "mkgformer":
            found["num_regions"] = provider.num_regions
    config = configure(kind, kind, arguments, dataset["train"], **found)
    return model_class(config, encoders.get("text"), loaded), processor


def _image_encoder(arguments: NERArguments) -> Any:
    """The one image encoder of a baseline, None for its text-only form."""
    given = [name for name in ("vit", "resnet") if getattr(arguments, name) is not None]
    if len(given) > 1:
        raise ValueError(
            f"{arguments.model_type} has one image encoder, and vit and resnet are both given: take one of them away."
        )
    return getattr(arguments, given[0]) if given else None


def _opened(image: Any) -> tuple[PreTrainedModel | None, Any]:
    """A pretrained image encoder with its configuration, or a configuration alone."""
    if not isinstance(image, str):
        return None, None if image is None else described(image)
    loaded = load_encoders(resnet=image)[0]["resnet"]
    return loaded, loaded.config


def _check_boxes(arguments: NERArguments, provider: RegionProvider, rows: Dataset) -> None:
    """Refuse a file of boxes that belong to no image of the dataset."""
    own = arguments.images in ("own", "shuffled") and "image_id" in rows.column_names
    if not own or not isinstance(provider, BoxFile):
        return
    ids = [image_id for image_id in rows["image_id"] if image_id is not None]
    if ids and not provider.knows_any(ids):
        raise ValueError(
            f"regions={arguments.regions!r} has boxes of none of the training images: each line names its image as "
            f"the dataset does, such as {ids[0]!r}."
        )


def _vectors(arguments: NERArguments, dataset: DatasetDict) -> WordVectorSource | None:
    if arguments.word_vectors is None:
        return None
    if arguments.word_vectors == USE_VECTORS:
        return load_use_vectors()
    words = {word for rows in dataset.values() for word in _words(rows)}
    return read_word_vectors(arguments.word_vectors, keep=words | {word.lower() for word in words})


def _word_processor(
    arguments: NERArguments, dataset: DatasetDict, vectors: WordVectorSource | None, image: Any
) -> WordLevelProcessor:
    """Knows the words of the training split, and those of the others that have a pretrained vector."""
    others = {word for split, rows in dataset.items() if split != "train" for word in _words(rows)}
    also = [] if vectors is None else sorted(word for word in others if _has_vector(word, vectors))
    settings: dict[str, Any] = {"min_count": arguments.min_count, "also": also}
    sentences = dataset["train"]["tokens"]
    if image is None:
        spelt = arguments.model_type != "bilstm_crf"
        return WordLevelProcessor.from_sentences(sentences, characters=spelt, **settings)
    images = build_image_processor(image, arguments.image_processor)
    return AdaCANProcessor.from_sentences(sentences, image_processor=images, **settings)


def _has_vector(word: str, vectors: WordVectorSource) -> bool:
    """Whether a word has a vector, as it is written or, as all words of some files are, in lower case."""
    return any(vectors.get(spelling) is not None for spelling in (word, word.lower()))


def _image_tagger_processor(arguments: NERArguments, rows: Dataset, image: Any) -> TaggerProcessor:
    tokenizer = text_tokenizer(arguments, rows)
    if image is None:
        return TaggerProcessor(tokenizer, arguments.max_length)
    images = build_image_processor(image, arguments.image_processor)
    if arguments.model_type == "umt":
        return TwoMNERProcessor(images, tokenizer, arguments.max_length)
    regions: dict[str, Any] = {"regions": arguments.regions, "num_regions": arguments.num_regions}
    return RegionProcessor(images, tokenizer, arguments.max_length, **regions)


def _words(rows: Dataset) -> Iterable[str]:
    return (word for words in rows["tokens"] for word in words)


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
