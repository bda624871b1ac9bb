"""AdaCAN (Zhang et al. 2018): words and image regions attend to each other, and gates weigh what they find.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mlm.lazy import lazy_attributes


if TYPE_CHECKING:
    from hf_mlm.models.adacan.configuration_adacan import AdaCANConfig
    from hf_mlm.models.adacan.modeling_adacan import AdaCANForTokenClassification
    from hf_mlm.models.adacan.processing_adacan import AdaCANProcessor

__all__ = ["AdaCANConfig", "AdaCANForTokenClassification", "AdaCANProcessor"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "AdaCANConfig": "configuration_adacan",
        "AdaCANForTokenClassification": "modeling_adacan",
        "AdaCANProcessor": "processing_adacan",
    },
)
