"""What the word-level taggers share: word vectors, and what is read of a sentence."""

from __future__ import annotations

import math

import torch
from torch import nn

from hf_mlm.models.tagger_base import TaggerPreTrainedModel
from hf_mlm.models.word_level.bilstm import BiLSTM
from hf_mlm.models.word_level.configuration import WordTaggerConfig
from hf_mlm.models.word_level.vectors import VectorCoverage, WordVectorSource, match_vectors
from hf_mlm.models.word_level.vocabulary import PADDING, UNKNOWN, WordVocabulary


class WordEmbeddings(nn.Module):
    """Word vectors; words that occur once in training are sometimes read as unknown (Lample et al. 2016, Section 4.1).

    Args:
        config: of the whole model.
    """

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
        characters: from int64 (words, characters) to (words, size); None to read whole words alone.
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
        """Read sentences.

        Args:
            input_ids: int64 (batch, words).
            inside: bool (batch, words), what `places_read` gives: at the left of each row, one place at least.
            character_ids: int64 (batch, words, characters), 0 at padding.

        Returns:
            (batch, words, hidden).

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


def places_read(input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """What is read: bool (batch, words), the words of each sentence, and the first place of one that has none."""
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
    places = spelt.new_zeros(*inside.shape, spelt.shape[1])
    return places.masked_scatter(inside.unsqueeze(-1), spelt)
