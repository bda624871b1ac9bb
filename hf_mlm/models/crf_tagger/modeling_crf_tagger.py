"""A text encoder and a CRF over words, or a softmax at each word: BERT-CRF and BERT on any encoder."""

from __future__ import annotations

import os
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.utils.generic import can_return_tuple

from hf_mlm.models.base.encoders import build_encoder, drop_pooler, load_encoder
from hf_mlm.models.base.modeling import TaggerOutput, TaggerPreTrainedModel
from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig
from hf_mlm.models.layers.tagging_head import TaggingHead


CRFTaggerOutput = TaggerOutput  # its public name


class CRFTaggerForTokenClassification(TaggerPreTrainedModel):
    """Tag the words of a sentence.

    The pipeline ``multimodal-ner`` decodes with the CRF. The plain ``token-classification`` opens the model as well:
    it knows nothing of words and reads ``logits``, the scores before the CRF, so take
    ``aggregation_strategy="first"``, by which each word has the scores of its first sub-token, which were trained.

    Args:
        config: encoder, head and labels.
        text_encoder: the encoder, already loaded; built from the configuration when omitted.

    Example:
        >>> from transformers import BertConfig
        >>> encoder = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
        >>> model = CRFTaggerForTokenClassification(CRFTaggerConfig(text_encoder_config=encoder)).eval()
        >>> word_ids = torch.tensor([[-1, 0, 0, 1, -1]])
        >>> model(torch.tensor([[2, 5, 6, 7, 3]]), word_ids=word_ids).predictions.shape
        torch.Size([1, 5])
    """

    config_class = CRFTaggerConfig
    base_model_prefix = "crf_tagger"

    def __init__(self, config: CRFTaggerConfig, text_encoder: PreTrainedModel | None = None):
        super().__init__(config)
        self.text_encoder = drop_pooler(build_encoder(config.text_encoder_config, text_encoder))
        hidden_size = self.text_encoder.config.hidden_size
        self.head = TaggingHead(
            hidden_size, config.label_names, config.dropout, config.head, config.constrained_decoding
        )
        self.post_init()
        if config.freeze_text_encoder:
            self.text_encoder.requires_grad_(False).eval()

    @classmethod
    def from_encoder_pretrained(
        cls, text_encoder: str | os.PathLike[str], **settings: Any
    ) -> CRFTaggerForTokenClassification:
        """Put a new head on a pretrained encoder.

        Args:
            text_encoder: folder or Hub name of a text model or of a pair such as CLIP, whose text half is taken.
            **settings: further settings of `CRFTaggerConfig`.
        """
        encoder = load_encoder(text_encoder, "text_config")
        return cls(CRFTaggerConfig(text_encoder_config=encoder.config, **settings), encoder)

    def train(self, mode: bool = True) -> CRFTaggerForTokenClassification:
        """Switch training on or off; a frozen encoder stays as in evaluation."""
        super().train(mode)
        if self.config.freeze_text_encoder:
            self.text_encoder.eval()
        return self

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        word_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> TaggerOutput:
        """Score and decode a batch of sentences.

        Args:
            input_ids: int64 (batch, tokens).
            attention_mask: (batch, tokens), 0 at padding.
            token_type_ids: int64 (batch, tokens), for encoders that take them.
            word_ids: int64 (batch, tokens), the word that each sub-token belongs to, -1 at special tokens and padding;
                words start where it changes. When omitted, words are where ``labels`` are.
            labels: int64 (batch, tokens), at the first sub-token of a word, -100 elsewhere and where a word's label is
                not to be learnt.
        """
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        encoded = self.text_encoder(input_ids=input_ids, attention_mask=attention_mask, **types)
        logits = self.head(encoded.last_hidden_state)  # (batch, tokens, labels)
        return self._finish(logits, word_ids, labels)
