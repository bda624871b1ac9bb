from __future__ import annotations

import pytest
import torch
from torch import nn

from hf_mlm.models.word_level.modeling import CharacterBiLSTM, CharacterCNN


WORDS = ((2, 3, 4, 5, 6), (4,), (5, 5, 2))


def encoder(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return (CharacterBiLSTM(8, 4, 6) if kind == "bilstm" else CharacterCNN(8, 4, (2, 3, 4), 3, 5, 6, 0.25)).eval()


def padded(words: tuple[tuple[int, ...], ...], width: int) -> torch.Tensor:
    return torch.tensor([[*word, *[0] * (width - len(word))] for word in words])


@pytest.mark.parametrize("kind", ["bilstm", "cnn"])
def test_padding_changes_nothing(kind: str) -> None:
    spell = encoder(kind)
    with torch.no_grad():
        spell.embeddings.weight[0] = 3.0  # were it ever read
    together = spell(padded(WORDS, 9))
    for row, word in enumerate(WORDS):
        torch.testing.assert_close(together[row : row + 1], spell(torch.tensor([word])))


def test_the_bilstm_gives_where_each_direction_ends() -> None:
    spell = encoder("bilstm")
    for word in WORDS:
        outputs, _ = spell.bilstm.lstm(spell.embeddings(torch.tensor([word])))
        expected = torch.cat([outputs[:, -1, :3], outputs[:, 0, 3:]], dim=1)
        torch.testing.assert_close(spell(torch.tensor([word])), expected)


def test_the_cnn_is_the_largest_answer_to_any_stretch_of_the_word() -> None:
    spell = encoder("cnn")
    for word in WORDS:
        vectors = torch.cat([spell.embeddings(torch.tensor(word)), torch.zeros(3, 4)])  # zeros follow the word
        found = [
            torch.stack(
                [(conv.weight * vectors[at : at + width].T).sum((1, 2)) + conv.bias for at in range(len(word))]
            )
            for conv, width in zip(spell.convolutions, (2, 3, 4), strict=True)
        ]
        hidden = spell.hidden(torch.cat([answers.amax(dim=0) for answers in found])).relu()
        torch.testing.assert_close(spell(torch.tensor([word]))[0], spell.output(hidden))
