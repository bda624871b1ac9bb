"""Register a model, a dataset or a pipeline here: one row each, and the only place to add one.

Registration with ``datasets`` and ``transformers``, the public names of the package, ``hf-mlm train``, the builders of
training and the exporters all follow from these rows. Classes and functions are named as ``"module:name"`` and loaded
when they are first used, so that importing this module costs nothing.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal


Family = Literal["irle", "taggers"]


@dataclass(frozen=True)
class ModelEntry:
    """One ``model_type``.

    Args:
        family: the package of ``hf_mlm.training`` that trains it.
        config: its configuration class.
        model: its model class.
        processor: the class of its processor.
        build: ``build(arguments, dataset, processor) -> (model, processor)``, which makes it for training.
        graphs: ``graphs(model, pixel_shape) -> list of Graph``, which draws it for ONNX; None if it is not exported.
        output: its own output class, where it has one.
    """

    family: Family
    config: str
    model: str
    processor: str
    build: str
    graphs: str | None = None
    output: str | None = None

    @property
    def auto_class(self) -> str:
        """Name of the Auto class that opens it."""
        return "AutoModel" if self.family == "irle" else "AutoModelForTokenClassification"


@dataclass(frozen=True)
class DatasetEntry:
    """One bare name that ``load_dataset`` takes.

    Args:
        builder: module whose main class is the builder.
        packages: packages and modules whose code shapes its rows: an edit of any of them starts a new cache.
    """

    builder: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class PipelineEntry:
    """One task of ``transformers.pipeline``.

    Args:
        pipeline: its class.
        auto_class: name of the Auto class that opens its models.
    """

    pipeline: str
    auto_class: str


_MODELS, _BUILDING = "hf_mlm.models", "hf_mlm.training.taggers.building"
_WORD_LEVEL, _PROCESSING = f"{_MODELS}.word_level", f"{_MODELS}.base.processing"
_TAGGER_GRAPHS = "hf_mlm.export.graphs:tagger_graphs"

MODELS = {
    "irle": ModelEntry(
        family="irle",
        config=f"{_MODELS}.irle.configuration_irle:IRLEConfig",
        model=f"{_MODELS}.irle.modeling_irle:IRLEForRetrievalAndGeo",
        processor=f"{_MODELS}.irle.processing_irle:IRLEProcessor",
        build="hf_mlm.training.irle.building:build_model",
        graphs="hf_mlm.export.graphs:irle_graphs",
        output=f"{_MODELS}.irle.modeling_irle:IRLEOutput",
    ),
    "two_mner": ModelEntry(
        family="taggers",
        config=f"{_MODELS}.two_mner.configuration_two_mner:TwoMNERConfig",
        model=f"{_MODELS}.two_mner.modeling_two_mner:TwoMNERForTokenClassification",
        processor=f"{_MODELS}.two_mner.processing_two_mner:TwoMNERProcessor",
        build=f"{_BUILDING}:build_two_mner",
        graphs=_TAGGER_GRAPHS,
        output=f"{_MODELS}.two_mner.modeling_two_mner:TwoMNEROutput",
    ),
    "crf_tagger": ModelEntry(
        family="taggers",
        config=f"{_MODELS}.crf_tagger.configuration_crf_tagger:CRFTaggerConfig",
        model=f"{_MODELS}.crf_tagger.modeling_crf_tagger:CRFTaggerForTokenClassification",
        processor=f"{_PROCESSING}:TaggerProcessor",
        build=f"{_BUILDING}:build_text_tagger",
        graphs=_TAGGER_GRAPHS,
        output=f"{_MODELS}.crf_tagger.modeling_crf_tagger:CRFTaggerOutput",
    ),
    "bilstm_crf": ModelEntry(
        family="taggers",
        config=f"{_WORD_LEVEL}.configuration:BiLSTMCRFConfig",
        model=f"{_WORD_LEVEL}.modeling:BiLSTMCRFForTokenClassification",
        processor=f"{_WORD_LEVEL}.processing:WordLevelProcessor",
        build=f"{_BUILDING}:build_word_tagger",
    ),
    "hbilstm_crf": ModelEntry(
        family="taggers",
        config=f"{_WORD_LEVEL}.configuration:HBiLSTMCRFConfig",
        model=f"{_WORD_LEVEL}.modeling:HBiLSTMCRFForTokenClassification",
        processor=f"{_WORD_LEVEL}.processing:WordLevelProcessor",
        build=f"{_BUILDING}:build_word_tagger",
    ),
    "adacan": ModelEntry(
        family="taggers",
        config=f"{_WORD_LEVEL}.configuration:AdaCANConfig",
        model=f"{_WORD_LEVEL}.adacan:AdaCANForTokenClassification",
        processor=f"{_WORD_LEVEL}.processing:AdaCANProcessor",
        build=f"{_BUILDING}:build_adacan",
    ),
    "umt": ModelEntry(
        family="taggers",
        config=f"{_MODELS}.umt.configuration_umt:UMTConfig",
        model=f"{_MODELS}.umt.modeling_umt:UMTForTokenClassification",
        processor=f"{_MODELS}.umt.processing_umt:UMTProcessor",
        build=f"{_BUILDING}:build_image_tagger",
        output=f"{_MODELS}.umt.modeling_umt:UMTOutput",
    ),
    "umgf": ModelEntry(
        family="taggers",
        config=f"{_MODELS}.umgf.configuration_umgf:UMGFConfig",
        model=f"{_MODELS}.umgf.modeling_umgf:UMGFForTokenClassification",
        processor=f"{_MODELS}.base.regions:RegionProcessor",
        build=f"{_BUILDING}:build_image_tagger",
    ),
    "mkgformer": ModelEntry(
        family="taggers",
        config=f"{_MODELS}.mkgformer.configuration_mkgformer:MKGFormerConfig",
        model=f"{_MODELS}.mkgformer.modeling_mkgformer:MKGFormerForTokenClassification",
        processor=f"{_MODELS}.base.regions:RegionProcessor",
        build=f"{_BUILDING}:build_image_tagger",
    ),
}

_SHARED = ("hf_mlm.data.shards", "hf_mlm.data.checks", "hf_mlm.data.splits", "hf_mlm.world", "hf_mlm.geo")
DATASETS = {
    "mlm": DatasetEntry("hf_mlm.data.mlm.builder", ("hf_mlm.data.mlm", *_SHARED)),
    "mmnerd": DatasetEntry("hf_mlm.data.mmnerd.builder", ("hf_mlm.data.mmnerd", "hf_mlm.data.text_file", *_SHARED)),
}

PIPELINES = {
    "multimodal-ner": PipelineEntry(
        "hf_mlm.pipelines.multimodal_ner:MultimodalNERPipeline", "AutoModelForTokenClassification"
    ),
    "cross-modal-retrieval": PipelineEntry(
        "hf_mlm.pipelines.cross_modal_retrieval:CrossModalRetrievalPipeline", "AutoModel"
    ),
    "geo-estimation": PipelineEntry("hf_mlm.pipelines.geo_estimation:GeoEstimationPipeline", "AutoModel"),
}

# Answers transformers' own task ``token-classification``, which knows nothing of words, for the taggers.
TOKEN_CLASSIFICATION = "hf_mlm.pipelines.multimodal_ner:AnyTokenClassificationPipeline"

# Adds card and figures to a saved model that ``push_to_hub`` is about to upload.
COMPLETE_PUSH = "hf_mlm.publishing.models:complete_plain_push"

# Public names of the package that belong to no single model.
SHARED_NAMES = (
    "hf_mlm.data.mlm.collator:DataCollatorForRetrievalAndGeo",
    "hf_mlm.data.mmnerd.collator:DataCollatorForMultimodalTokenClassification",
    "hf_mlm.runs.gallery:Gallery",
    "hf_mlm.registration:register",
    "hf_mlm.training.irle.arguments:IRLETrainingArguments",
    "hf_mlm.training.irle.metrics:RetrievalAndGeoMetrics",
    "hf_mlm.training.irle.trainer:IRLETrainer",
)


def public_names() -> dict[str, str]:
    """Map each name that ``hf_mlm`` offers to its ``"module:name"``.

    Example:
        >>> public_names()["IRLEConfig"]
        'hf_mlm.models.irle.configuration_irle:IRLEConfig'
    """
    paths = [
        path
        for entry in MODELS.values()
        for path in (entry.config, entry.model, entry.processor, entry.output)
        if path is not None
    ]
    return {
        path.partition(":")[2]: path for path in sorted((*paths, *SHARED_NAMES), key=lambda path: path.split(":")[1])
    }


def load(path: str) -> Any:
    """Import what ``"module:name"`` stands for.

    Raises:
        ImportError: if there is no such module.
        AttributeError: if the module has no such name.

    Example:
        >>> load("hf_mlm.registry:load") is load
        True
    """
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
