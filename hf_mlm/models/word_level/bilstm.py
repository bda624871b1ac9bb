"""A bidirectional LSTM over rows of different lengths, which never sees their padding."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class BiLSTM(nn.Module):
    """One layer of LSTM in both directions (Graves and Schmidhuber 2005; Huang et al. 2015, Section 2.2).

    Args:
        input_size: width of the input.
        hidden_size: width of the output, half of it from each direction.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size // 2, batch_first=True, bidirectional=True)

    def forward(self, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Read rows both ways.

        Args:
            inputs: (rows, length, input_size).
            lengths: int64 (rows,); what is beyond a row's length is not read. An empty row is read as one of length 1.

        Returns:
            (rows, length, hidden_size), 0 beyond a row's length.
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
