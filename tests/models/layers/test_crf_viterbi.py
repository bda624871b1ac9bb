"""Viterbi against a search that scores every path of a sentence (its exported form: see test_crf)."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.models.layers.crf_viterbi import viterbi, viterbi_numpy


@given(st.integers(0, 2**16), st.integers(1, 4), st.integers(1, 6), st.integers(1, 4))
def test_paths_have_the_highest_score_even_among_ties(seed: int, batch: int, length: int, tags: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((batch, length, tags), (tags,), (tags, tags), (tags,))
    emissions, start, table, end = (torch.randint(-2, 3, shape, generator=generator).double() for shape in shapes)
    mask = torch.arange(length) < torch.randint(1, length + 1, (batch, 1), generator=generator)
    found = viterbi(emissions, mask, start, table, end)
    for row in range(batch):
        words = int(mask[row].sum())
        paths = torch.tensor(list(itertools.product(range(tags), repeat=words)))  # (paths, words)
        scores = start[paths[:, 0]] + end[paths[:, -1]] + emissions[row, range(words), paths].sum(1)
        scores += table[paths[:, :-1], paths[:, 1:]].sum(1)
        chosen = (paths == found[row, :words]).all(1)
        assert scores[chosen].item() == scores.max().item()


def chains(seed: int, batch: int, length: int, tags: int) -> tuple[torch.Tensor, ...]:
    """Emissions, mask, start, transitions and end scores: small whole numbers, so that there are ties."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((batch, length, tags), (tags,), (tags, tags), (tags,))
    emissions, start, table, end = (torch.randint(-2, 3, shape, generator=generator).double() for shape in shapes)
    mask = torch.arange(length) < torch.randint(0, length + 1, (batch, 1), generator=generator)
    return emissions, mask, start, table, end


def score(words: torch.Tensor, paths: torch.Tensor, scores: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Score paths (paths, words) of one sentence (words, tags)."""
    start, table, end = scores
    total = start[paths[:, 0]] + end[paths[:, -1]] + words[range(len(words)), paths].sum(1)
    return total + table[paths[:, :-1], paths[:, 1:]].sum(1)


@given(st.integers(0, 2**16), st.integers(1, 4), st.integers(1, 6), st.integers(1, 4))
def test_crf_numpy_paths_have_the_highest_score_even_among_ties(seed: int, batch: int, length: int, tags: int) -> None:
    emissions, mask, *scores = chains(seed, batch, length, tags)
    found = viterbi_numpy(emissions, mask, *scores)
    for row in range(batch):
        words = int(mask[row].sum())
        if words > 0:
            paths = torch.tensor(list(itertools.product(range(tags), repeat=words)))  # (paths, words)
            highest = score(emissions[row, :words], paths, tuple(scores)).max()
            assert score(emissions[row, :words], found[row : row + 1, :words], tuple(scores)) == highest


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_long_sentences_have_torchs_paths(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    mask = torch.arange(73) < torch.tensor([[73], [72], [41], [1], [0]])
    scores = [torch.randn(shape, dtype=dtype) for shape in ((9,), (9, 9), (9,))]
    scores[1][2, 3] = -torch.inf
    emissions = torch.randn(5, 73, 9, dtype=dtype).masked_fill(~mask.unsqueeze(2), torch.nan)
    found = viterbi_numpy(emissions, mask, *scores)
    assert torch.equal(found[mask], viterbi(emissions, mask, *scores)[mask])
