"""HBiLSTM-CRF: a BiLSTM spells words, another reads the sentence, a CRF tags it (Lample et al. 2016, Section 2)."""

from __future__ import annotations

import torch
from torch import nn
from transformers.utils.generic import can_return_tuple

from hf_mlm.models.base.modeling import TaggerOutput
from hf_mlm.models.layers.tagging_head import TaggingHead
from hf_mlm.models.word_level.configuration import HBiLSTMCRFConfig
from hf_mlm.models.word_level.modeling import CharacterBiLSTM, SentenceEncoder, WordTaggerPreTrainedModel, places_read


class HBiLSTMCRFForTokenClassification(WordTaggerPreTrainedModel):
    """Tag the words of a sentence by their vectors, their spelling, and what stands on both sides of them.

    Args:
        config: vocabulary, sizes and labels.

    Example:
        >>> model = HBiLSTMCRFForTokenClassification(HBiLSTMCRFConfig(vocab_size=9, num_characters=30)).eval()
        >>> words, characters = torch.tensor([[2, 5]]), torch.tensor([[[7, 8, 9], [2, 0, 0]]])
        >>> model(words, character_ids=characters).logits.shape
        torch.Size([1, 2, 9])
    """

    config_class = HBiLSTMCRFConfig
    base_model_prefix = "hbilstm_crf"

    def __init__(self, config: HBiLSTMCRFConfig):
        super().__init__(config)
        characters = CharacterBiLSTM(config.num_characters, config.character_embedding_size, config.character_size)
        self.sentence_encoder = SentenceEncoder(config, characters, config.character_size)
        self.projection = nn.Linear(config.hidden_size, config.projection_size)
        self.head = TaggingHead(
            config.projection_size, config.label_names, config.dropout, constrained=config.constrained_decoding
        )
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        word_ids: torch.Tensor | None = None,
        character_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> TaggerOutput:
        """Score and decode a batch of sentences.

        Args:
            input_ids: int64 (batch, words).
            attention_mask: (batch, words), 0 at padding, which stands at the right.
            word_ids: int64 (batch, words), the number of each word, -1 at padding. When omitted, words are where
                ``labels`` are.
            character_ids: int64 (batch, words, characters), 0 at padding.
            labels: int64 (batch, words), -100 at padding and where a word's label is not to be learnt.

        Raises:
            ValueError: if ``character_ids`` are missing.
        """
        inside = places_read(input_ids, attention_mask)
        words = self.sentence_encoder(input_ids, inside, character_ids)  # (batch, words, hidden)
        logits = self.head(self.projection(words).tanh())  # (batch, words, labels)
        return self._finish(logits, word_ids, labels)
