"""The baselines of 2M-NER's Table 5 that fit a dataset and the settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from datasets import Dataset, DatasetDict
from transformers import PreTrainedModel
from transformers.utils import logging

from hf_mlm.models.adacan import AdaCANConfig, AdaCANForTokenClassification, AdaCANProcessor
from hf_mlm.models.bilstm_crf import BiLSTMCRFConfig, BiLSTMCRFForTokenClassification
from hf_mlm.models.hbilstm_crf import HBiLSTMCRFConfig, HBiLSTMCRFForTokenClassification
from hf_mlm.models.mkgformer import MKGFormerConfig, MKGFormerForTokenClassification
from hf_mlm.models.region_processor import RegionProcessor
from hf_mlm.models.regions import BoxFile, RegionProvider
from hf_mlm.models.tagger_processor import TaggerProcessor
from hf_mlm.models.two_mner import TwoMNERProcessor
from hf_mlm.models.two_mner.pretrained_two_mner import load_encoders
from hf_mlm.models.umgf import UMGFConfig, UMGFForTokenClassification
from hf_mlm.models.umt import UMTConfig, UMTForTokenClassification
from hf_mlm.models.word_level.processing import WordLevelProcessor
from hf_mlm.models.word_level.subword_vectors import load_use_vectors
from hf_mlm.models.word_level.vector_files import read_word_vectors
from hf_mlm.models.word_level.vectors import WordVectorSource
from hf_mlm.training.arguments_ner import NERArguments
from hf_mlm.training.configuring import configure, described, text_tokenizer
from hf_mlm.training.preparation import build_image_processor


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
