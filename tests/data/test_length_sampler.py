from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.formats.conll import read_conll
from hf_mlm.data.length_sampler import LengthBucketSampler, padding_waste


@given(st.lists(st.integers(1, 60), max_size=300), st.integers(1, 9), st.integers(0, 3), st.integers(1, 5))
def test_every_row_comes_once_and_the_ragged_batch_last(
    lengths: list[int], batch_size: int, epoch: int, bucket: int
) -> None:
    sampler = LengthBucketSampler(lengths, batch_size, batches_per_bucket=bucket)
    sampler.set_epoch(epoch)
    order = list(sampler)
    assert sorted(order) == list(range(len(lengths))) and len(sampler) == len(lengths)
    assert order == list(sampler)
    ordered = [lengths[row] for row in order]
    batches = [ordered[start : start + batch_size] for start in range(0, len(order), batch_size)]
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert all(batch == sorted(batch) for batch in batches)


def test_epochs_and_seeds_differ_and_batches_do_not_drift() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 4000)
    sampler = LengthBucketSampler(lengths, 16)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first != list(LengthBucketSampler(lengths, 16, seed=1))
    means = lengths[np.array(first)].reshape(-1, 16).mean(axis=1)
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.2


@given(st.lists(st.integers(1, 30), min_size=1, max_size=50), st.integers(1, 7))
def test_waste_is_what_padding_adds(lengths: list[int], batch_size: int) -> None:
    batches = [lengths[start : start + batch_size] for start in range(0, len(lengths), batch_size)]
    padded = sum(max(batch) * len(batch) for batch in batches)
    waste = padding_waste(lengths, range(len(lengths)), batch_size)
    assert waste == pytest.approx(padded / sum(lengths) - 1)


@pytest.mark.real
def test_real_sentences_waste_less_than_a_twentieth(shared_data: Path) -> None:
    sentences = read_conll(shared_data / "mmnerd_en" / "train_conll_format.txt.gz")
    lengths = [sum(1 + len(word) // 4 for word in sentence.tokens) + 2 for sentence in sentences]  # about sub-tokens
    order = list(LengthBucketSampler(lengths, 16))
    assert padding_waste(lengths, order, 16) <= 0.05
    assert padding_waste(lengths, range(len(lengths)), 16) > 0.7
