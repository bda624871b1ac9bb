"""UMGF: words and regions of the image as one graph, with gates on its edges.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mlm.models.umgf.configuration_umgf import UMGFConfig
    from hf_mlm.models.umgf.modeling_umgf import UMGFForTokenClassification

_MODULES = {
    "UMGFConfig": "configuration_umgf",
    "UMGFForTokenClassification": "modeling_umgf",
}

__all__ = ["UMGFConfig", "UMGFForTokenClassification"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
