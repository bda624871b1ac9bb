"""BiLSTM-CRF (Huang et al. 2015): word vectors, a BiLSTM over the sentence and a CRF.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mlm.lazy import lazy_attributes


if TYPE_CHECKING:
    from hf_mlm.models.bilstm_crf.configuration_bilstm_crf import BiLSTMCRFConfig
    from hf_mlm.models.bilstm_crf.modeling_bilstm_crf import BiLSTMCRFForTokenClassification

__all__ = ["BiLSTMCRFConfig", "BiLSTMCRFForTokenClassification"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "BiLSTMCRFConfig": "configuration_bilstm_crf",
        "BiLSTMCRFForTokenClassification": "modeling_bilstm_crf",
    },
)
