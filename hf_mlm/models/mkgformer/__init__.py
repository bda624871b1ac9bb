"""MKGFormer: a text and a vision transformer that meet in their upper layers.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mlm.lazy import lazy_attributes


if TYPE_CHECKING:
    from hf_mlm.models.mkgformer.configuration_mkgformer import MKGFormerConfig
    from hf_mlm.models.mkgformer.modeling_mkgformer import MKGFormerForTokenClassification

__all__ = ["MKGFormerConfig", "MKGFormerForTokenClassification"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "MKGFormerConfig": "configuration_mkgformer",
        "MKGFormerForTokenClassification": "modeling_mkgformer",
    },
)
