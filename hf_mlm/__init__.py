"""Multimodal retrieval, geolocation and entity recognition for the Hugging Face stack.

Importing the package registers its datasets, models, processors and pipelines with ``datasets`` and ``transformers``,
whichever is imported first, and costs milliseconds: every name below is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mlm.lazy import lazy_attributes
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
    "AdaCANConfig": "models.adacan",
    "AdaCANForTokenClassification": "models.adacan",
    "AdaCANProcessor": "models.adacan",
    "BiLSTMCRFConfig": "models.bilstm_crf",
    "BiLSTMCRFForTokenClassification": "models.bilstm_crf",
    "CRFTaggerConfig": "models.crf_tagger",
    "CRFTaggerForTokenClassification": "models.crf_tagger",
    "CRFTaggerOutput": "models.crf_tagger",
    "HBiLSTMCRFConfig": "models.hbilstm_crf",
    "HBiLSTMCRFForTokenClassification": "models.hbilstm_crf",
    "IRLEConfig": "models.irle",
    "IRLEForRetrievalAndGeo": "models.irle",
    "IRLEOutput": "models.irle",
    "IRLEProcessor": "models.irle",
    "MKGFormerConfig": "models.mkgformer",
    "MKGFormerForTokenClassification": "models.mkgformer",
    "RegionProcessor": "models.region_processor",
    "TaggerProcessor": "models.tagger_processor",
    "TwoMNERConfig": "models.two_mner",
    "TwoMNERForTokenClassification": "models.two_mner",
    "TwoMNEROutput": "models.two_mner",
    "TwoMNERProcessor": "models.two_mner",
    "UMGFConfig": "models.umgf",
    "UMGFForTokenClassification": "models.umgf",
    "UMTConfig": "models.umt",
    "UMTForTokenClassification": "models.umt",
    "UMTOutput": "models.umt",
    "WordLevelProcessor": "models.word_level.processing",
    "DataCollatorForMultimodalTokenClassification": "data.collators_ner",
    "DataCollatorForRetrievalAndGeo": "data.collators",
    "Gallery": "pipelines.gallery",
    "IRLETrainer": "training.trainer",
    "IRLETrainingArguments": "training.arguments",
    "RetrievalAndGeoMetrics": "training.evaluation",
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


__getattr__, __dir__ = lazy_attributes(__name__, _EXPORTS)

install_hooks()
