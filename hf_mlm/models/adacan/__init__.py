"""AdaCAN (Zhang et al. 2018): words and image regions attend to each other, and gates weigh what they find.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mlm.models.adacan.configuration_adacan import AdaCANConfig
    from hf_mlm.models.adacan.modeling_adacan import AdaCANForTokenClassification
    from hf_mlm.models.adacan.processing_adacan import AdaCANProcessor

_MODULES = {
    "AdaCANConfig": "configuration_adacan",
    "AdaCANForTokenClassification": "modeling_adacan",
    "AdaCANProcessor": "processing_adacan",
}

__all__ = ["AdaCANConfig", "AdaCANForTokenClassification", "AdaCANProcessor"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
