"""BiLSTM-CRF and HBiLSTM-CRF, and the layers that all word-level taggers are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from hf_mlm.models.base.modeling import TaggerOutput, TaggerPreTrainedModel, tagger_forward
from hf_mlm.models.word_level.configuration import BiLSTMCRFConfig, HBiLSTMCRFConfig, WordTaggerConfig
from hf_mlm.models.word_level.vectors import VectorCoverage, WordVectorSource, match_vectors
from hf_mlm.models.word_level.vocabulary import PADDING, UNKNOWN, WordVocabulary


class BiLSTM(nn.Module):
    """One layer of LSTM in both directions (Graves and Schmidhuber 2005; Huang et al. 2015, Section 2.2).

    Half of ``hidden_size`` comes from each direction.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size // 2, batch_first=True, bidirectional=True)

    def forward(self, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Read rows (rows, length, input_size) both ways: (rows, length, hidden_size), 0 beyond their lengths (rows,).

        An empty row is read as one of length 1.
        """
        outputs, _ = self.lstm(_pack(inputs, lengths))
        return pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])[0]

    def last_states(self, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Read rows both ways, and keep where each direction ends: (rows, hidden_size)."""
        _, (states, _) = self.lstm(_pack(inputs, lengths))  # (2, rows, hidden / 2)
        return torch.cat([states[0], states[1]], dim=1)


def _pack(inputs: torch.Tensor, lengths: torch.Tensor) -> PackedSequence:
    """Pack rows; packing knows no length of 0."""
    return pack_padded_sequence(inputs, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)


class CharacterBiLSTM(nn.Module):
    """The last states of a BiLSTM over the characters (Lample et al. 2016, Section 4.1)."""

    def __init__(self, num_characters: int, embedding_size: int, size: int):
        super().__init__()
        self.embeddings = nn.Embedding(num_characters, embedding_size, padding_idx=PADDING)
        self.bilstm = BiLSTM(embedding_size, size)

    def forward(self, character_ids: torch.Tensor) -> torch.Tensor:
        """Spell words: int64 (words, characters), 0 at padding, to (words, size)."""
        lengths = (character_ids != PADDING).sum(dim=1)
        return self.bilstm.last_states(self.embeddings(character_ids), lengths)


class CharacterCNN(nn.Module):
    """Convolutions of several widths, the largest of each filter over the word, and two linear layers.

    This is the character representation of Zhang et al. (2018), Section "Text Feature Extraction". Words as short as
    a letter are read by the widest filter too, beyond whose end are zeros.
    """

    def __init__(
        self,
        num_characters: int,
        embedding_size: int,
        widths: Sequence[int],
        filters: int,
        hidden_size: int,
        size: int,
        dropout: float,
    ):
        super().__init__()
        self.embeddings = nn.Embedding(num_characters, embedding_size, padding_idx=PADDING)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding_size, filters, width) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(len(widths) * filters, hidden_size)
        self.output = nn.Linear(hidden_size, size)

    def forward(self, character_ids: torch.Tensor) -> torch.Tensor:
        """Spell words: int64 (words, characters), 0 at padding, to (words, size)."""
        outside = functional.pad(character_ids[:, 1:] == PADDING, (1, 0)).unsqueeze(1)  # (words, 1, characters)
        vectors = self.embeddings(character_ids).transpose(1, 2).masked_fill(outside, 0)
        maxima = [self._largest(convolution, vectors, outside) for convolution in self.convolutions]
        features = self.dropout(torch.cat(maxima, dim=1))  # (words, widths * filters)
        return self.output(self.hidden(features).relu())

    def _largest(self, convolution: nn.Module, vectors: torch.Tensor, outside: torch.Tensor) -> torch.Tensor:
        """The largest answer of each filter among those that start inside the word: (words, filters)."""
        padded = functional.pad(vectors, (0, convolution.kernel_size[0] - 1))
        answers = convolution(padded)  # (words, filters, characters)
        return answers.masked_fill(outside, torch.finfo(answers.dtype).min).amax(dim=2)


class WordEmbeddings(nn.Module):
    """Word vectors; in training singletons are sometimes read as unknown (Lample et al. 2016, Section 4.1)."""

    def __init__(self, config: WordTaggerConfig):
        super().__init__()
        self.table = nn.Embedding(config.vocab_size, config.word_embedding_size, padding_idx=PADDING)
        self.singletons = tuple(config.singletons)
        self.singleton_dropout = config.singleton_dropout

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Look up int64 (batch, words): (batch, words, word_embedding_size)."""
        first, stop = self.singletons
        if self.training and self.singleton_dropout > 0 and first < stop:
            seldom = (input_ids >= first) & (input_ids < stop)
            dropped = torch.rand(input_ids.shape, device=input_ids.device) < self.singleton_dropout
            input_ids = input_ids.masked_fill(seldom & dropped, UNKNOWN)
        return self.table(input_ids)


class SentenceEncoder(nn.Module):
    """Word vectors, beside them what the characters of each word become, dropout, and a BiLSTM.

    Args:
        config: of the whole model.
        characters: from int64 (words, characters) to (words, character_size); None to read whole words alone.
        character_size: width of what the characters of a word become.
    """

    def __init__(self, config: WordTaggerConfig, characters: nn.Module | None = None, character_size: int = 0):
        super().__init__()
        self.words = WordEmbeddings(config)
        self.characters = characters
        self.dropout = nn.Dropout(config.input_dropout)
        self.bilstm = BiLSTM(config.word_embedding_size + character_size, config.hidden_size)

    def forward(
        self, input_ids: torch.Tensor, inside: torch.Tensor, character_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Read sentences (batch, words): (batch, words, hidden).

        ``inside`` is what `positions_read` gives, ``character_ids`` int64 (batch, words, characters), 0 at padding.

        Raises:
            ValueError: if the model reads characters and there are none.
        """
        vectors = self.words(input_ids)  # (batch, words, word_embedding_size)
        if self.characters is not None:
            spelt = _spell(self.characters, character_ids, inside)  # (batch, words, character_size)
            vectors = torch.cat([vectors, spelt.to(vectors.dtype)], dim=-1)
        return self.bilstm(self.dropout(vectors), inside.sum(dim=1))


class WordTaggerPreTrainedModel(TaggerPreTrainedModel):
    """Base of the word-level taggers, which read sentences by their ``sentence_encoder``."""

    supports_gradient_checkpointing = False  # an LSTM is one layer

    config: WordTaggerConfig
    sentence_encoder: SentenceEncoder

    def get_input_embeddings(self) -> nn.Module:
        """The word vectors."""
        return self.sentence_encoder.words.table

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the word vectors."""
        self.sentence_encoder.words.table = value

    def post_init(self) -> None:
        """Start the weights that were not loaded, and freeze the word vectors if they are to stay."""
        super().post_init()
        self.get_input_embeddings().requires_grad_(not self.config.freeze_word_embeddings)

    @torch.no_grad()
    def load_word_vectors(self, vocabulary: WordVocabulary, vectors: WordVectorSource) -> VectorCoverage:
        """Start from pretrained word vectors; words without one keep theirs.

        Args:
            vocabulary: of the processor, in whose order the model's words are.
            vectors: such as `read_word_vectors` or `load_use_vectors` returns.

        Returns:
            How many words were found, exactly or in lower case, and how many were not.

        Raises:
            ValueError: if the vectors have another width than the model's, or the vocabulary another size.
        """
        table = self.get_input_embeddings().weight
        if vectors.size != table.shape[1]:
            raise ValueError(
                f"the pretrained vectors are {vectors.size} wide and the model's {table.shape[1]}: configure "
                f"word_embedding_size={vectors.size}."
            )
        if len(vocabulary) != len(table):
            raise ValueError(
                f"the vocabulary has {len(vocabulary)} words and the model {len(table)}: configure the model with "
                "vocabulary.settings()."
            )
        matched = match_vectors(vocabulary, vectors)
        table[torch.from_numpy(matched.word_ids)] = torch.from_numpy(matched.matrix).to(table)
        return matched.coverage

    def _init_weights(self, module: nn.Module) -> None:
        """Start evenly: embeddings within sqrt(3 / width), layers as Glorot and Bengio (2010), as Lample et al. do."""
        super()._init_weights(module)
        if isinstance(module, nn.Embedding):
            bound = math.sqrt(3 / module.embedding_dim)
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.weight[PADDING])
        elif isinstance(module, (nn.Linear, nn.Conv1d)):
            nn.init.xavier_uniform_(module.weight)


def positions_read(input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """Mark what is read: bool (batch, words), each sentence's words, and the first position of one that has none."""
    if attention_mask is None:
        return torch.ones_like(input_ids, dtype=torch.bool)
    first = torch.arange(input_ids.shape[1], device=input_ids.device) == 0
    return attention_mask.bool() | first


def _spell(characters: nn.Module, character_ids: torch.Tensor | None, inside: torch.Tensor) -> torch.Tensor:
    """What the characters of each word become, 0 at padding: (batch, words, character_size)."""
    if character_ids is None:
        raise ValueError(
            "the model reads characters, and character_ids are missing: let a WordLevelProcessor whose vocabulary has "
            "characters make the inputs."
        )
    spelt = characters(character_ids[inside])  # (all words, character_size)
    padded = spelt.new_zeros(*inside.shape, spelt.shape[1])
    return padded.masked_scatter(inside.unsqueeze(-1), spelt)


class BiLSTMCRFForTokenClassification(WordTaggerPreTrainedModel):
    """Tag words by what stands on both sides: ``CRF(W BiLSTM(x))`` of word vectors x (Huang et al. 2015, Section 2.5).

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
        self.head = self._make_head(config.hidden_size)
        self.post_init()

    @tagger_forward
    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        word_ids: torch.Tensor | None = None,
        character_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> TaggerOutput:
        """Score and decode a batch of sentences."""
        inside = positions_read(input_ids, attention_mask)
        logits = self.head(self.sentence_encoder(input_ids, inside))  # (batch, words, labels)
        return self._finish(logits, word_ids, labels, attention_mask)


class HBiLSTMCRFForTokenClassification(WordTaggerPreTrainedModel):
    """Tag words by their vectors, their spelling, and what stands on both sides (Lample et al. 2016, Section 2).

    ``CRF(W tanh(P BiLSTM([x; BiLSTM(characters)])))``.

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
        self.head = self._make_head(config.projection_size)
        self.post_init()

    @tagger_forward
    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        word_ids: torch.Tensor | None = None,
        character_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> TaggerOutput:
        """Score and decode a batch of sentences."""
        inside = positions_read(input_ids, attention_mask)
        words = self.sentence_encoder(input_ids, inside, character_ids)  # (batch, words, hidden)
        logits = self.head(self.projection(words).tanh())  # (batch, words, labels)
        return self._finish(logits, word_ids, labels, attention_mask)
