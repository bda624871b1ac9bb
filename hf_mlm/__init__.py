"""Multimodal retrieval, geolocation and entity recognition for the Hugging Face stack.

Importing the package registers its datasets, models, processors and pipelines with ``datasets`` and ``transformers``,
whichever is imported first, and costs milliseconds: every name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hf_mlm.registration import install_hooks, register


if TYPE_CHECKING:
    from hf_mlm.data.collators import DataCollatorForRetrievalAndGeo
    from hf_mlm.data.collators_ner import DataCollatorForMultimodalTokenClassification
    from hf_mlm.models.adacan import AdaCANConfig, AdaCANForTokenClassification, AdaCANProcessor
    from hf_mlm.models.bilstm_crf import BiLSTMCRFConfig, BiLSTMCRFForTokenClassification
    from hf_mlm.models.crf_tagger import CRFTaggerConfig, CRFTaggerForTokenClassification, CRFTaggerOutput
    from hf_mlm.models.hbilstm_crf import HBiLSTMCRFConfig, HBiLSTMCRFForTokenClassification
    from hf_mlm.models.irle import IRLEConfig, IRLEForRetrievalAndGeo, IRLEOutput, IRLEProcessor
    from hf_mlm.models.mkgformer import MKGFormerConfig, MKGFormerForTokenClassification
    from hf_mlm.models.region_processor import RegionProcessor
    from hf_mlm.models.tagger_processor import TaggerProcessor
    from hf_mlm.models.two_mner import (
        TwoMNERConfig,
        TwoMNERForTokenClassification,
        TwoMNEROutput,
        TwoMNERProcessor,
    )
    from hf_mlm.models.umgf import UMGFConfig, UMGFForTokenClassification
    from hf_mlm.models.umt import UMTConfig, UMTForTokenClassification, UMTOutput
    from hf_mlm.models.word_level.processing import WordLevelProcessor
    from hf_mlm.pipelines.gallery import Gallery
    from hf_mlm.training.arguments import IRLETrainingArguments
    from hf_mlm.training.evaluation import RetrievalAndGeoMetrics
    from hf_mlm.training.trainer import IRLETrainer

__version__ = "0.1.0"

_EXPORTS = {
    "AdaCANConfig": "hf_mlm.models.adacan",
    "AdaCANForTokenClassification": "hf_mlm.models.adacan",
    "AdaCANProcessor": "hf_mlm.models.adacan",
    "BiLSTMCRFConfig": "hf_mlm.models.bilstm_crf",
    "BiLSTMCRFForTokenClassification": "hf_mlm.models.bilstm_crf",
    "CRFTaggerConfig": "hf_mlm.models.crf_tagger",
    "CRFTaggerForTokenClassification": "hf_mlm.models.crf_tagger",
    "CRFTaggerOutput": "hf_mlm.models.crf_tagger",
    "HBiLSTMCRFConfig": "hf_mlm.models.hbilstm_crf",
    "HBiLSTMCRFForTokenClassification": "hf_mlm.models.hbilstm_crf",
    "IRLEConfig": "hf_mlm.models.irle",
    "IRLEForRetrievalAndGeo": "hf_mlm.models.irle",
    "IRLEOutput": "hf_mlm.models.irle",
    "IRLEProcessor": "hf_mlm.models.irle",
    "MKGFormerConfig": "hf_mlm.models.mkgformer",
    "MKGFormerForTokenClassification": "hf_mlm.models.mkgformer",
    "RegionProcessor": "hf_mlm.models.region_processor",
    "TaggerProcessor": "hf_mlm.models.tagger_processor",
    "TwoMNERConfig": "hf_mlm.models.two_mner",
    "TwoMNERForTokenClassification": "hf_mlm.models.two_mner",
    "TwoMNEROutput": "hf_mlm.models.two_mner",
    "TwoMNERProcessor": "hf_mlm.models.two_mner",
    "UMGFConfig": "hf_mlm.models.umgf",
    "UMGFForTokenClassification": "hf_mlm.models.umgf",
    "UMTConfig": "hf_mlm.models.umt",
    "UMTForTokenClassification": "hf_mlm.models.umt",
    "UMTOutput": "hf_mlm.models.umt",
    "WordLevelProcessor": "hf_mlm.models.word_level.processing",
    "DataCollatorForMultimodalTokenClassification": "hf_mlm.data.collators_ner",
    "DataCollatorForRetrievalAndGeo": "hf_mlm.data.collators",
    "Gallery": "hf_mlm.pipelines.gallery",
    "IRLETrainer": "hf_mlm.training.trainer",
    "IRLETrainingArguments": "hf_mlm.training.arguments",
    "RetrievalAndGeoMetrics": "hf_mlm.training.evaluation",
}

__all__ = [
    "AdaCANConfig",
    "AdaCANForTokenClassification",
    "AdaCANProcessor",
    "BiLSTMCRFConfig",
    "BiLSTMCRFForTokenClassification",
    "CRFTaggerConfig",
    "CRFTaggerForTokenClassification",
    "CRFTaggerOutput",
    "DataCollatorForMultimodalTokenClassification",
    "DataCollatorForRetrievalAndGeo",
    "Gallery",
    "HBiLSTMCRFConfig",
    "HBiLSTMCRFForTokenClassification",
    "IRLEConfig",
    "IRLEForRetrievalAndGeo",
    "IRLEOutput",
    "IRLEProcessor",
    "IRLETrainer",
    "IRLETrainingArguments",
    "MKGFormerConfig",
    "MKGFormerForTokenClassification",
    "RegionProcessor",
    "RetrievalAndGeoMetrics",
    "TaggerProcessor",
    "TwoMNERConfig",
    "TwoMNERForTokenClassification",
    "TwoMNEROutput",
    "TwoMNERProcessor",
    "UMGFConfig",
    "UMGFForTokenClassification",
    "UMTConfig",
    "UMTForTokenClassification",
    "UMTOutput",
    "WordLevelProcessor",
    "register",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'hf_mlm' has no attribute {name!r}")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_EXPORTS))


install_hooks()
