"""IR+LE: cross-modal retrieval and location estimation.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mlm.lazy import lazy_attributes


if TYPE_CHECKING:
    from hf_mlm.models.irle.configuration_irle import IRLEConfig
    from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo, IRLEModalityOutput, IRLEOutput
    from hf_mlm.models.irle.processing_irle import IRLEProcessor

__all__ = ["IRLEConfig", "IRLEForRetrievalAndGeo", "IRLEModalityOutput", "IRLEOutput", "IRLEProcessor"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "IRLEConfig": "configuration_irle",
        "IRLEForRetrievalAndGeo": "modeling_irle",
        "IRLEModalityOutput": "modeling_irle",
        "IRLEOutput": "modeling_irle",
        "IRLEProcessor": "processing_irle",
    },
)
