"""UMT: words and image regions that attend to each other, and entity spans found from text alone.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mlm.models.umt.configuration_umt import UMTConfig
    from hf_mlm.models.umt.modeling_umt import UMTForTokenClassification, UMTOutput

_MODULES = {
    "UMTConfig": "configuration_umt",
    "UMTForTokenClassification": "modeling_umt",
    "UMTOutput": "modeling_umt",
}

__all__ = ["UMTConfig", "UMTForTokenClassification", "UMTOutput"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
