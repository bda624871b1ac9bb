"""Compiled kernels against the plain ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.models.layers.crf_likelihood import absorbing_chain, forward_backward
from hf_mlm.models.layers.crf_viterbi import viterbi


compiled = pytest.importorskip("hf_mlm.models.layers.crf_numba", exc_type=ImportError)


def random_case(seed: int, batch: int, length: int, tags: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((batch, length, tags), (tags,), (tags, tags), (tags,))
    emissions, *scores = (4 * torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes)
    lengths = torch.randint(0, length + 1, (batch, 1), generator=generator)
    return emissions, torch.arange(length) < lengths, *scores


sizes = st.tuples(st.integers(0, 2**16), st.integers(1, 20), st.integers(1, 12), st.integers(1, 11))


@given(sizes)
def test_forward_backward_is_the_same(size: tuple[int, int, int, int]) -> None:
    case = random_case(*size, torch.float64)
    ours, plain = compiled.forward_backward(absorbing_chain(*case)), forward_backward(absorbing_chain(*case), 8)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def compiled_tags(case: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Best tags, -7 outside the mask."""
    tags = torch.full(case[1].shape, -7)
    compiled.viterbi(*case, tags)
    return tags


@given(sizes, st.sampled_from([torch.float32, torch.float64]))
def test_viterbi_is_the_same(size: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    case = random_case(*size, dtype)
    assert torch.equal(compiled_tags(case), viterbi(*case).masked_fill(~case[1], -7))


def test_threads_do_not_disturb_each_other() -> None:
    cases = [random_case(seed, 30, 50, 9, torch.float32) for seed in range(20)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(compiled_tags, cases))
    assert all(torch.equal(tags, compiled_tags(case)) for tags, case in zip(together, cases, strict=True))
