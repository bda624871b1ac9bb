"""What all models of the package on other models' encoders are to ``transformers``."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from hf_mlm.models.encoders import attention_by_encoder


class EncodersPreTrainedModel(PreTrainedModel):
    """Base of the models that read images and texts through encoders of any architecture."""

    accepts_loss_kwargs = False  # the loss is a mean over rows, which the Trainer must not rescale
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def set_attn_implementation(self, attn_implementation: Any, *args: Any, **kwargs: Any) -> None:
        """Choose how to attend, in all encoders that do; a dictionary chooses for each of them."""
        if isinstance(attn_implementation, str):
            attn_implementation = attention_by_encoder(self, attn_implementation)
        super().set_attn_implementation(attn_implementation, *args, **kwargs)
