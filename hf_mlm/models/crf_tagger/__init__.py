"""A text encoder with a CRF: BERT-CRF on any encoder, or with a softmax BERT's own tagger.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig
    from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification, CRFTaggerOutput

_MODULES = {
    "CRFTaggerConfig": "configuration_crf_tagger",
    "CRFTaggerForTokenClassification": "modeling_crf_tagger",
    "CRFTaggerOutput": "modeling_crf_tagger",
}

__all__ = ["CRFTaggerConfig", "CRFTaggerForTokenClassification", "CRFTaggerOutput"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
