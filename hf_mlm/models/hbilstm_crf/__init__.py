"""HBiLSTM-CRF (Lample et al. 2016): words spelt by a BiLSTM, a BiLSTM over the sentence and a CRF.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mlm.models.hbilstm_crf.configuration_hbilstm_crf import HBiLSTMCRFConfig
    from hf_mlm.models.hbilstm_crf.modeling_hbilstm_crf import HBiLSTMCRFForTokenClassification

_MODULES = {
    "HBiLSTMCRFConfig": "configuration_hbilstm_crf",
    "HBiLSTMCRFForTokenClassification": "modeling_hbilstm_crf",
}

__all__ = ["HBiLSTMCRFConfig", "HBiLSTMCRFForTokenClassification"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
