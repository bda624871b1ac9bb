"""What ``model.push_to_hub("namespace/name")`` does beside uploading the weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from hf_mlm.models.base.configuration import ImageTaggerConfig
from hf_mlm.models.base.encoders import attention_by_encoder, build_encoder, drop_pooler, load_encoders
from hf_mlm.models.layers.crf import LinearChainCRF
from hf_mlm.models.layers.pooling import find_words
from hf_mlm.models.layers.tagging_head import TaggingHead


if TYPE_CHECKING:
    from typing_extensions import Self


class CardOnPush(PreTrainedModel):
    """A model whose ``push_to_hub`` uploads a card of ours, where transformers would make one up.

    ``PushToHubMixin`` saves everything to a temporary folder and hands that to ``_upload_modified_files``: the one
    place where the card can be replaced, and local paths taken out, before anything leaves.
    """

    def _upload_modified_files(self, working_dir: Any, repo_id: str, *args: Any, **kwargs: Any) -> Any:
        from hf_mlm.publishing.models import complete_plain_push

        complete_plain_push(working_dir, repo_id, self.name_or_path)
        return super()._upload_modified_files(working_dir, repo_id, *args, **kwargs)


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


@dataclass
class TaggerOutput(ModelOutput):
    """What a tagger with one loss returns, always in this order; tokens are words where the model reads whole words.

    Args:
        loss: scalar, the negative log-likelihood of a sentence's labels, mean over sentences.
        logits: (batch, tokens, labels), scores of the labels before the CRF.
        predictions: int64 (batch, tokens), the decoded label where a word starts, -100 elsewhere; None in training,
            and where nothing says where words start.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    predictions: torch.Tensor | None = None


class TaggerPreTrainedModel(EncodersPreTrainedModel):
    """Base of the taggers, most of which read by their ``text_encoder``; all of them end in their ``head``."""

    main_input_name = "input_ids"

    text_encoder: PreTrainedModel
    head: TaggingHead

    def get_input_embeddings(self) -> nn.Module:
        """The text encoder's embeddings."""
        return self.text_encoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the text encoder's embeddings."""
        self.text_encoder.set_input_embeddings(value)

    def _finish(
        self, logits: torch.Tensor, word_ids: torch.Tensor | None, labels: torch.Tensor | None
    ) -> TaggerOutput:
        """Loss and predictions of the scores (batch, tokens, labels)."""
        loss = None if labels is None else self.head.loss(logits, labels)
        return TaggerOutput(loss=loss, logits=logits, predictions=self._decode(logits, word_ids, labels))

    def _decode(
        self, logits: torch.Tensor, word_ids: torch.Tensor | None, labels: torch.Tensor | None
    ) -> torch.Tensor | None:
        """The predictions alone: None in training, and where neither word ids nor labels say where words start."""
        words = None if self.training else find_words(word_ids, labels)
        return None if words is None else self.head.decode(logits, words)

    def _init_weights(self, module: nn.Module) -> None:
        """Start own layers as transformers starts its own, and the CRF's scores near 0."""
        super()._init_weights(module)
        if isinstance(module, LinearChainCRF):
            module.reset_parameters()


class ImageTaggerPreTrainedModel(TaggerPreTrainedModel):
    """Base of taggers that keep their encoders as ``text_encoder`` and ``image_encoder``, None in text-only forms.

    Args:
        config: of the whole model.
        text_encoder: the text encoder, already loaded; built from the configuration when omitted.
        image_encoder: the image encoder, already loaded; left aside by a text-only form.
    """

    input_modalities = ("image", "text")

    config: ImageTaggerConfig
    image_encoder: Any

    def __init__(
        self,
        config: ImageTaggerConfig,
        text_encoder: PreTrainedModel | None = None,
        image_encoder: PreTrainedModel | None = None,
    ):
        super().__init__(config)
        self.text_encoder = drop_pooler(build_encoder(config.text_encoder_config, text_encoder))
        self.image_encoder = (
            drop_pooler(build_encoder(config.image_encoder_config, image_encoder)) if config.use_images else None
        )

    @classmethod
    def from_encoders_pretrained(
        cls, text: str | os.PathLike[str], image: str | os.PathLike[str] | None = None, **settings: Any
    ) -> Self:
        """Put the model on pretrained encoders; without an image encoder it is the text-only form.

        Args:
            text: folder or Hub name of a text model or of a pair such as CLIP, whose text half is taken.
            image: folder or Hub name of a vision model or of a pair, whose vision half is taken, or a ``.pth`` file
                of a ResNet of torchvision's.
            **settings: further settings of the configuration.
        """
        encoders, _ = load_encoders(text, resnet=image)
        seen = encoders.get("resnet")
        config = cls.config_class(
            text_encoder_config=encoders["text"].config,
            image_encoder_config=None if seen is None else seen.config,
            use_images=seen is not None,
            **settings,
        )
        return cls(config, encoders["text"], seen)

    def post_init(self) -> None:
        """Start the weights that were not loaded, and freeze the encoders that are to stay."""
        super().post_init()
        for encoder in self._frozen_encoders():
            encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Switch training on or off; frozen encoders stay as in evaluation, batch statistics included."""
        super().train(mode)
        for encoder in self._frozen_encoders():
            encoder.eval()
        return self

    def _frozen_encoders(self) -> list[nn.Module]:
        frozen = [self.text_encoder] if self.config.freeze_text_encoder else []
        if self.image_encoder is not None and self.config.freeze_image_encoder:
            frozen.append(self.image_encoder)
        return frozen

    def _encode_text(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None, token_type_ids: torch.Tensor | None
    ) -> torch.Tensor:
        """The text encoder's last layer: (batch, tokens, hidden)."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self.text_encoder(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
