"""Viterbi against a search that scores every path of a sentence (its exported form: see test_crf)."""

from __future__ import annotations

import itertools

import torch
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.models.layers.crf_viterbi import viterbi


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
