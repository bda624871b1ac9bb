"""HBiLSTM-CRF (Lample et al. 2016): words spelt by a BiLSTM, a BiLSTM over the sentence and a CRF.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mlm.lazy import lazy_attributes


if TYPE_CHECKING:
    from hf_mlm.models.hbilstm_crf.configuration_hbilstm_crf import HBiLSTMCRFConfig
    from hf_mlm.models.hbilstm_crf.modeling_hbilstm_crf import HBiLSTMCRFForTokenClassification

__all__ = ["HBiLSTMCRFConfig", "HBiLSTMCRFForTokenClassification"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "HBiLSTMCRFConfig": "configuration_hbilstm_crf",
        "HBiLSTMCRFForTokenClassification": "modeling_hbilstm_crf",
    },
)
