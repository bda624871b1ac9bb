"""What all word taggers of the package are to ``transformers``."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from hf_mlm.models.base import EncodersPreTrainedModel
from hf_mlm.models.layers.crf import LinearChainCRF


class TaggerPreTrainedModel(EncodersPreTrainedModel):
    """Base of the taggers on a text encoder, which they keep as ``text_encoder``."""

    main_input_name = "input_ids"

    text_encoder: PreTrainedModel

    def get_input_embeddings(self) -> nn.Module:
        """The text encoder's embeddings."""
        return self.text_encoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the text encoder's embeddings."""
        self.text_encoder.set_input_embeddings(value)

    def _init_weights(self, module: nn.Module) -> None:
        """Start own layers as transformers starts its own, and the CRF's scores near 0."""
        super()._init_weights(module)
        if isinstance(module, LinearChainCRF):
            module.reset_parameters()
