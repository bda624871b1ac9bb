"""IR+LE: cross-modal retrieval and location estimation.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mlm.models.irle.configuration_irle import IRLEConfig
    from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo, IRLEModalityOutput, IRLEOutput
    from hf_mlm.models.irle.processing_irle import IRLEProcessor

_MODULES = {
    "IRLEConfig": "configuration_irle",
    "IRLEForRetrievalAndGeo": "modeling_irle",
    "IRLEModalityOutput": "modeling_irle",
    "IRLEOutput": "modeling_irle",
    "IRLEProcessor": "processing_irle",
}

__all__ = ["IRLEConfig", "IRLEForRetrievalAndGeo", "IRLEModalityOutput", "IRLEOutput", "IRLEProcessor"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
