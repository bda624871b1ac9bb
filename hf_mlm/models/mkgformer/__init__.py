"""MKGFormer: a text and a vision transformer that meet in their upper layers.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mlm.models.mkgformer.configuration_mkgformer import MKGFormerConfig
    from hf_mlm.models.mkgformer.modeling_mkgformer import MKGFormerForTokenClassification

_MODULES = {
    "MKGFormerConfig": "configuration_mkgformer",
    "MKGFormerForTokenClassification": "modeling_mkgformer",
}

__all__ = ["MKGFormerConfig", "MKGFormerForTokenClassification"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
