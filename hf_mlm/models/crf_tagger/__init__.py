"""A text encoder with a CRF: BERT-CRF on any encoder, or with a softmax BERT's own tagger.

Names load when they are used, so that ``AutoConfig`` gets at the configuration without the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mlm.lazy import lazy_attributes


if TYPE_CHECKING:
    from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig
    from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification, CRFTaggerOutput

__all__ = ["CRFTaggerConfig", "CRFTaggerForTokenClassification", "CRFTaggerOutput"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "CRFTaggerConfig": "configuration_crf_tagger",
        "CRFTaggerForTokenClassification": "modeling_crf_tagger",
        "CRFTaggerOutput": "modeling_crf_tagger",
    },
)
