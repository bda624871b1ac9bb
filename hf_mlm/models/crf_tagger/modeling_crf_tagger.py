"""A text encoder and a CRF over words, or a softmax at each word: BERT-CRF and BERT on any encoder."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from hf_mlm.models.base.configuration import feature_size
from hf_mlm.models.base.encoders import Source, build_encoder, drop_pooler, load_encoder
from hf_mlm.models.base.modeling import TaggerOutput, TaggerPreTrainedModel, tagger_forward
from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig


CRFTaggerOutput = TaggerOutput  # its public name


class CRFTaggerForTokenClassification(TaggerPreTrainedModel):
    """Tag the words of a sentence: ``CRF(W h + b)`` of the text encoder's vector h at each word's first sub-token.

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
        self.head = self._make_head(feature_size(self.text_encoder.config), config.head)
        self.post_init()

    @classmethod
    def from_encoder_pretrained(cls, text_encoder: Source, **settings: Any) -> CRFTaggerForTokenClassification:
        """Put a new head on a pretrained encoder.

        Args:
            text_encoder: folder or Hub name of a text model or of a pair such as CLIP, whose text half is taken.
            **settings: further settings of `CRFTaggerConfig`.
        """
        encoder = load_encoder(text_encoder, "text_config")
        return cls(CRFTaggerConfig(text_encoder_config=encoder.config, **settings), encoder)

    @tagger_forward
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        word_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> TaggerOutput:
        """Score and decode a batch of sentences."""
        encoded = self._read(input_ids, attention_mask, token_type_ids)
        return self._finish(self.head(encoded.last_hidden_state), word_ids, labels, attention_mask)
