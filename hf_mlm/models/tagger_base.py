"""What all word taggers of the package are to ``transformers``."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import PreTrainedModel

from hf_mlm.models.encoders import attention_by_encoder
from hf_mlm.models.layers.crf import LinearChainCRF


class TaggerPreTrainedModel(PreTrainedModel):
    """Base of the taggers on a text encoder, which they keep as ``text_encoder``."""

    main_input_name = "input_ids"
    accepts_loss_kwargs = False  # the loss is a mean over sentences, which the Trainer must not rescale
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    text_encoder: PreTrainedModel

    def get_input_embeddings(self) -> nn.Module:
        """The text encoder's embeddings."""
        return self.text_encoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the text encoder's embeddings."""
        self.text_encoder.set_input_embeddings(value)

    def set_attn_implementation(self, attn_implementation: Any, *args: Any, **kwargs: Any) -> None:
        """Choose how to attend, in all encoders that do; a dictionary chooses for each of them."""
        if isinstance(attn_implementation, str):
            attn_implementation = attention_by_encoder(self, attn_implementation)
        super().set_attn_implementation(attn_implementation, *args, **kwargs)

    def _init_weights(self, module: nn.Module) -> None:
        """Start own layers as transformers starts its own, and the CRF's scores near 0."""
        super()._init_weights(module)
        if isinstance(module, LinearChainCRF):
            module.reset_parameters()
