from __future__ import annotations

from types import SimpleNamespace

import torch
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.models.layers.pooling import masked_mean, pool_image


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5))
def test_the_mean_is_over_the_kept_tokens(mask: list[list[bool]]) -> None:
    hidden = torch.randn(len(mask), 4, 3, generator=torch.Generator().manual_seed(0))
    for row, keep, vectors in zip(masked_mean(hidden, torch.tensor(mask)), mask, hidden, strict=True):
        kept = [vector for vector, kept in zip(vectors, keep, strict=True) if kept]
        torch.testing.assert_close(row, sum(kept, torch.zeros(3)) / max(len(kept), 1))


def test_what_is_masked_does_not_matter() -> None:
    hidden, mask = torch.randn(2, 4, 3), torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0]])
    changed = hidden.masked_fill(mask[..., None] == 0, 1e6)
    torch.testing.assert_close(masked_mean(changed, mask), masked_mean(hidden, mask))
    torch.testing.assert_close(masked_mean(hidden), hidden.mean(1))


def test_bfloat16_sums_in_float32() -> None:
    hidden = torch.ones(1, 1000, 1, dtype=torch.bfloat16)
    assert masked_mean(hidden, torch.ones(1, 1000)).item() == 1 and masked_mean(hidden).dtype == torch.bfloat16


def test_images_are_pooled_by_their_encoder_or_over_positions() -> None:
    pooled, tokens, grid = torch.randn(2, 3, 1, 1), torch.randn(2, 5, 3), torch.randn(2, 3, 4, 5)
    assert torch.equal(pool_image(SimpleNamespace(pooler_output=pooled)), pooled[:, :, 0, 0])
    without = {"pooler_output": None}
    assert torch.equal(pool_image(SimpleNamespace(last_hidden_state=tokens, **without)), tokens.mean(1))
    torch.testing.assert_close(pool_image(SimpleNamespace(last_hidden_state=grid)), grid.flatten(2).mean(2))
