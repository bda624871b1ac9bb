"""BiLSTM-CRF (Huang et al. 2015): word vectors, a BiLSTM over the sentence and a CRF.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mlm.models.bilstm_crf.configuration_bilstm_crf import BiLSTMCRFConfig
    from hf_mlm.models.bilstm_crf.modeling_bilstm_crf import BiLSTMCRFForTokenClassification

_MODULES = {
    "BiLSTMCRFConfig": "configuration_bilstm_crf",
    "BiLSTMCRFForTokenClassification": "modeling_bilstm_crf",
}

__all__ = ["BiLSTMCRFConfig", "BiLSTMCRFForTokenClassification"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
