"""UMT: words and image regions that attend to each other, and entity spans found from text alone.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mlm.lazy import lazy_attributes


if TYPE_CHECKING:
    from hf_mlm.models.umt.configuration_umt import UMTConfig
    from hf_mlm.models.umt.modeling_umt import UMTForTokenClassification, UMTOutput

__all__ = ["UMTConfig", "UMTForTokenClassification", "UMTOutput"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "UMTConfig": "configuration_umt",
        "UMTForTokenClassification": "modeling_umt",
        "UMTOutput": "modeling_umt",
    },
)
