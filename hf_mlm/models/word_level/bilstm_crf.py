"""BiLSTM-CRF: word vectors, a BiLSTM over the sentence, and a CRF over its labels (Huang et al. 2015, Section 2.5)."""

from __future__ import annotations

import torch
from transformers.utils.generic import can_return_tuple

from hf_mlm.models.base.modeling import TaggerOutput
from hf_mlm.models.layers.tagging_head import TaggingHead
from hf_mlm.models.word_level.configuration import BiLSTMCRFConfig
from hf_mlm.models.word_level.modeling import SentenceEncoder, WordTaggerPreTrainedModel, places_read


class BiLSTMCRFForTokenClassification(WordTaggerPreTrainedModel):
    """Tag the words of a sentence by what stands on both sides of them.

    Of the original's features of spelling and context (Section 4.2 there) none is used, as in the 2M-NER paper.

    Args:
        config: vocabulary, sizes and labels.

    Example:
        >>> model = BiLSTMCRFForTokenClassification(BiLSTMCRFConfig(vocab_size=9, word_embedding_size=8)).eval()
        >>> model(torch.tensor([[2, 5, 3]]), word_ids=torch.tensor([[0, 1, 2]])).predictions.shape
        torch.Size([1, 3])
    """

    config_class = BiLSTMCRFConfig
    base_model_prefix = "bilstm_crf"

    def __init__(self, config: BiLSTMCRFConfig):
        super().__init__(config)
        self.sentence_encoder = SentenceEncoder(config)
        self.head = TaggingHead(
            config.hidden_size, config.label_names, config.dropout, constrained=config.constrained_decoding
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
            character_ids: left aside; a processor of other models makes them as well.
            labels: int64 (batch, words), -100 at padding and where a word's label is not to be learnt.
        """
        inside = places_read(input_ids, attention_mask)
        logits = self.head(self.sentence_encoder(input_ids, inside))  # (batch, words, labels)
        return self._finish(logits, word_ids, labels)
