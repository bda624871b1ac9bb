"""What all word taggers of the package are to ``transformers``."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from hf_mlm.models.base import EncodersPreTrainedModel
from hf_mlm.models.layers.crf import LinearChainCRF
from hf_mlm.models.layers.tagging_head import TaggingHead
from hf_mlm.models.layers.word_pooling import find_words


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
