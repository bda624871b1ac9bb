"""What all models of the package on other models' encoders are to ``transformers``."""

from __future__ import annotations

from typing import Any

from hf_mlm.models.card_on_push import CardOnPush
from hf_mlm.models.encoders import attention_by_encoder


class EncodersPreTrainedModel(CardOnPush):
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

    def save_pretrained(self, *args: Any, save_original_format: bool = False, **kwargs: Any) -> None:
        """Save as transformers does, but with weights under the names that the model has for them.

        Transformers would give those of some encoders, such as ViT's, the names of older releases.
        ``from_pretrained`` knows these, and a Trainer that goes on from a checkpoint or loads the best one does not:
        it would leave such an encoder as it was.

        Args:
            *args: as for transformers.
            save_original_format: whether to use the older names all the same.
            **kwargs: as for transformers.
        """
        super().save_pretrained(*args, save_original_format=save_original_format, **kwargs)
