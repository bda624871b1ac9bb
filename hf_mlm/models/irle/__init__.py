"""IR+LE: cross-modal retrieval and location estimation. Names load when they are used, the configuration without torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mlm.models.irle.configuration_irle import IRLEConfig
    from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo, IRLEModalityOutput, IRLEOutput

_MODULES = {
    "IRLEConfig": "configuration_irle",
    "IRLEForRetrievalAndGeo": "modeling_irle",
    "IRLEModalityOutput": "modeling_irle",
    "IRLEOutput": "modeling_irle",
}

__all__ = ["IRLEConfig", "IRLEForRetrievalAndGeo", "IRLEModalityOutput", "IRLEOutput"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
