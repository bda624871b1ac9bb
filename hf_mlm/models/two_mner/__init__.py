"""2M-NER: entities in a sentence, found with the help of its image.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig
    from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification, TwoMNEROutput
    from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor

_MODULES = {
    "TwoMNERConfig": "configuration_two_mner",
    "TwoMNERForTokenClassification": "modeling_two_mner",
    "TwoMNEROutput": "modeling_two_mner",
    "TwoMNERProcessor": "processing_two_mner",
}

__all__ = ["TwoMNERConfig", "TwoMNERForTokenClassification", "TwoMNEROutput", "TwoMNERProcessor"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
