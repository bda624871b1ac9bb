"""Build the taggers for training: a builder for each kind, which the registry names, from settings and data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from datasets import Dataset, DatasetDict
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from hf_mlm.models.base.configuration import TaggerConfig
from hf_mlm.models.base.encoders import keep_layers, load_encoder, pixel_rescaling
from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.models.base.regions import BoxFile, RegionProvider
from hf_mlm.models.two_mner.configuration_two_mner import BRANCHES, TwoMNERConfig
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from hf_mlm.models.word_level.configuration import CharacterTaggerConfig
from hf_mlm.models.word_level.processing import AdaCANProcessor, WordLevelProcessor
from hf_mlm.models.word_level.vectors import WordVectorSource, load_use_vectors, read_word_vectors
from hf_mlm.registry import MODELS, load
from hf_mlm.runs.settings import refuse_unknown
from hf_mlm.training.base.processors import build_image_processor, describe_encoder, learn_tokenizer
from hf_mlm.training.taggers.arguments import NERArguments


logger = logging.get_logger(__name__)

USE_VECTORS = "use"  # the multilingual Universal Sentence Encoder's sub-words
Tagger = tuple[PreTrainedModel, Any]


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
    taggers = [name for name, entry in MODELS.items() if entry.family == "taggers"]
    if arguments.model_type not in taggers:
        raise ValueError(f"there is no tagger {arguments.model_type!r}; choose one of {', '.join(taggers)}.")
    model, processor = load(MODELS[arguments.model_type].build)(arguments, dataset, processor)
    freeze(model, arguments.freeze or [])
    return model, processor


def freeze(model: nn.Module, parts: Sequence[str]) -> None:
    """Leave parts of a model, modules or parameters by their names, as they are.

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


def build_text_tagger(arguments: NERArguments, dataset: DatasetDict, processor: Any = None) -> Tagger:
    """A tagger with a text encoder alone, ``model(config, text_encoder)``, such as BERT-CRF."""
    entry, rows = MODELS[arguments.model_type], dataset["train"]
    kind = load(entry.config)
    processor = processor or TaggerProcessor(text_tokenizer(arguments, rows), arguments.max_length)
    encoder, config = _encoder(arguments.text_encoder, "text_config", processor.tokenizer, arguments.text_layers)
    config = configure(kind, kind, arguments, rows, text_encoder_config=config)
    return load(entry.model)(config, encoder), processor


def build_two_mner(arguments: NERArguments, dataset: DatasetDict, processor: Any = None) -> Tagger:
    """2M-NER on the encoders that are named; its image branches are those that have one."""
    rows = dataset["train"]
    sources = {name: getattr(arguments, name) for name in BRANCHES if getattr(arguments, name) is not None}
    processor = processor or _tagger_processor(arguments, rows, next(iter(sources.values()), None))
    text, text_config = _encoder(arguments.text_encoder, "text_config", processor.tokenizer, arguments.text_layers)
    layers = {"vit": arguments.vit_layers}
    opened = {name: _encoder(source, "vision_config", layers=layers.get(name)) for name, source in sources.items()}
    found: dict[str, Any] = {f"{name}_config": config for name, (_, config) in opened.items()}
    if len(sources) == 2 and all(isinstance(source, str) for source in sources.values()):
        found |= pixel_rescaling(**dict(zip(("given", "wanted"), sources.values(), strict=True)))
    make = TwoMNERConfig.reference if arguments.reference else TwoMNERConfig
    found |= {"text_encoder_config": text_config, "image_branches": list(sources)}
    config = configure(make, TwoMNERConfig, arguments, rows, **found)
    return TwoMNERForTokenClassification(
        config, text, **{name: model for name, (model, _) in opened.items()}
    ), processor


def build_image_tagger(arguments: NERArguments, dataset: DatasetDict, processor: Any = None) -> Tagger:
    """A tagger with one text encoder and one image encoder, such as UMT; without the latter its text-only form."""
    entry, rows, image = MODELS[arguments.model_type], dataset["train"], _image_encoder(arguments)
    processor = processor or _tagger_processor(arguments, rows, image)
    text, text_config = _encoder(arguments.text_encoder, "text_config", processor.tokenizer, arguments.text_layers)
    encoder, image_config = _encoder(image, "vision_config", layers=arguments.vit_layers if arguments.vit else None)
    kind = load(entry.config)
    found = {"text_encoder_config": text_config, "image_encoder_config": image_config, "use_images": image is not None}
    if image is not None and hasattr(processor, "provider"):
        _check_boxes(arguments, processor.provider(), rows)
        if "num_regions" in {field.name for field in dataclasses.fields(kind)}:
            found["num_regions"] = processor.provider().num_regions
    return load(entry.model)(configure(kind, kind, arguments, rows, **found), text, encoder), processor


def build_word_tagger(arguments: NERArguments, dataset: DatasetDict, processor: Any = None) -> Tagger:
    """BiLSTM-CRF or HBiLSTM-CRF, with the words of the training split and perhaps pretrained vectors."""
    kind, vectors = load(MODELS[arguments.model_type].config), _vectors(arguments, dataset)
    spelt = issubclass(kind, CharacterTaggerConfig)
    if processor is None:
        words = _known_words(arguments, dataset, vectors)
        processor = WordLevelProcessor.from_sentences(dataset["train"]["tokens"], characters=spelt, **words)
    return _word_tagger(arguments, dataset, processor, vectors), processor


def build_adacan(arguments: NERArguments, dataset: DatasetDict, processor: Any = None) -> Tagger:
    """AdaCAN, with the words of the training split and perhaps pretrained vectors; text-only without an encoder."""
    image, vectors = _image_encoder(arguments), _vectors(arguments, dataset)
    if processor is None:
        words = _known_words(arguments, dataset, vectors)
        make: type[WordLevelProcessor] = WordLevelProcessor
        if image is not None:
            make, words["image_processor"] = AdaCANProcessor, build_image_processor(image, arguments.image_processor)
        processor = make.from_sentences(dataset["train"]["tokens"], **words)
    encoder, config = _encoder(image, "vision_config", layers=arguments.vit_layers if arguments.vit else None)
    found = {"image_encoder_config": config, "use_images": image is not None}
    models = {} if encoder is None else {"image_encoder": encoder}
    return _word_tagger(arguments, dataset, processor, vectors, found, models), processor


def configure(
    make: Callable[..., TaggerConfig], kind: type[TaggerConfig], arguments: NERArguments, rows: Dataset, **found: Any
) -> Any:
    """Make a configuration of what was found and of what ``arguments.model`` asks for.

    Args:
        make: the class, or one of its presets.
        kind: the class, whose fields are the settings there are.
        arguments: see above.
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
    texts = (" ".join(words) for words in rows["tokens"])
    return learn_tokenizer(texts, arguments.vocabulary_size, lowercase=False)


def _encoder(
    source: Any, part: str, tokenizer: Any = None, layers: int | None = None
) -> tuple[PreTrainedModel | None, Any]:
    """A pretrained encoder with its configuration, or the configuration alone that settings describe; None of None."""
    if isinstance(source, str):
        encoder = load_encoder(source, part)
        return encoder if layers is None else keep_layers(encoder, layers), encoder.config
    if source is None:
        return None, None
    return None, describe_encoder(source if layers is None else {**source, "num_hidden_layers": layers}, tokenizer)


def _image_encoder(arguments: NERArguments) -> Any:
    """The one image encoder of a baseline, None for its text-only form."""
    given = [name for name in BRANCHES if getattr(arguments, name) is not None]
    if len(given) > 1:
        raise ValueError(
            f"{arguments.model_type} has one image encoder, and vit and resnet are both given: take one of them away."
        )
    return getattr(arguments, given[0]) if given else None


def _tagger_processor(arguments: NERArguments, rows: Dataset, image: Any) -> TaggerProcessor:
    """The registered processor of a tagger on sub-tokens, or one of texts alone where there is no image encoder."""
    tokenizer = text_tokenizer(arguments, rows)
    if image is None:
        return TaggerProcessor(tokenizer, arguments.max_length)
    kind, images = (
        load(MODELS[arguments.model_type].processor),
        build_image_processor(image, arguments.image_processor),
    )
    regions = {"regions": arguments.regions, "num_regions": arguments.num_regions} if hasattr(kind, "provider") else {}
    return kind(images, tokenizer, arguments.max_length, **regions)


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


def _word_tagger(
    arguments: NERArguments,
    dataset: DatasetDict,
    processor: WordLevelProcessor,
    vectors: WordVectorSource | None,
    found: dict[str, Any] | None = None,
    models: dict[str, PreTrainedModel] | None = None,
) -> PreTrainedModel:
    """Make a word-level tagger for a processor's vocabulary, and start it from pretrained vectors if there are any."""
    entry = MODELS[arguments.model_type]
    kind = load(entry.config)
    found = {**processor.vocabulary.settings(), **(found or {})}
    if vectors is not None:
        found["word_embedding_size"] = vectors.size
    if not issubclass(kind, CharacterTaggerConfig):
        found.pop("num_characters")
    model = load(entry.model)(configure(kind, kind, arguments, dataset["train"], **found), **(models or {}))
    if vectors is not None:
        coverage = model.load_word_vectors(processor.vocabulary, vectors)
        logger.warning(
            f"Of the words, {coverage.exact:,} have a pretrained vector, {coverage.lowercased:,} one in lower case, "
            f"and {coverage.absent:,} none."
        )
    return model


def _vectors(arguments: NERArguments, dataset: DatasetDict) -> WordVectorSource | None:
    if arguments.word_vectors is None:
        return None
    if arguments.word_vectors == USE_VECTORS:
        return load_use_vectors()
    words = {word for rows in dataset.values() for word in _words(rows)}
    return read_word_vectors(arguments.word_vectors, keep=words | {word.lower() for word in words})


def _known_words(arguments: NERArguments, dataset: DatasetDict, vectors: WordVectorSource | None) -> dict[str, Any]:
    """Settings of a vocabulary beside the training split: words of the others that have a pretrained vector."""
    others = {word for split, rows in dataset.items() if split != "train" for word in _words(rows)}
    also = [] if vectors is None else sorted(word for word in others if _has_vector(word, vectors))
    return {"min_count": arguments.min_count, "also": also}


def _has_vector(word: str, vectors: WordVectorSource) -> bool:
    """Whether a word has a vector, as it is written or, as all words of some files are, in lower case."""
    return any(vectors.get(spelling) is not None for spelling in (word, word.lower()))


def _words(rows: Dataset) -> Iterator[str]:
    return (word for words in rows["tokens"] for word in words)
