"""UMGF: words and regions of the image as one graph, with gates on its edges.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mlm.lazy import lazy_attributes


if TYPE_CHECKING:
    from hf_mlm.models.umgf.configuration_umgf import UMGFConfig
    from hf_mlm.models.umgf.modeling_umgf import UMGFForTokenClassification

__all__ = ["UMGFConfig", "UMGFForTokenClassification"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "UMGFConfig": "configuration_umgf",
        "UMGFForTokenClassification": "modeling_umgf",
    },
)
