"""2M-NER: entities in a sentence, found with the help of its image.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mlm.lazy import lazy_attributes


if TYPE_CHECKING:
    from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig
    from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification, TwoMNEROutput
    from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor

__all__ = ["TwoMNERConfig", "TwoMNERForTokenClassification", "TwoMNEROutput", "TwoMNERProcessor"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "TwoMNERConfig": "configuration_two_mner",
        "TwoMNERForTokenClassification": "modeling_two_mner",
        "TwoMNEROutput": "modeling_two_mner",
        "TwoMNERProcessor": "processing_two_mner",
    },
)
