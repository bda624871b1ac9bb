"""From the characters of a word to a vector, by a BiLSTM or by convolutions; padding does not count."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from hf_mlm.models.word_level.bilstm import BiLSTM
from hf_mlm.models.word_level.vocabulary import PADDING


class CharacterBiLSTM(nn.Module):
    """The last states of a BiLSTM over the characters (Lample et al. 2016, Section 4.1).

    Args:
        num_characters: ids of characters.
        embedding_size: width of a character's vector.
        size: width of the output, half of it from each direction.
    """

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

    Args:
        num_characters: ids of characters.
        embedding_size: width of a character's vector.
        widths: characters that the filters of each kind see.
        filters: of each kind.
        hidden_size: width of the first linear layer.
        size: width of the output.
        dropout: drop probability after the largest are taken.
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
