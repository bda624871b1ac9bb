from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.models.layers.pooling import find_words, masked_mean, pool_image, pool_words, word_starts


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


@st.composite
def word_rows(draw: st.DrawFn) -> torch.Tensor:
    """Rows of one length: perhaps a special token, words of 1 to 4 sub-tokens from any number on, special, padding."""
    rows = []
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, 5))
        sizes = draw(st.lists(st.integers(1, 4), max_size=5))
        words = [first + number for number, size in enumerate(sizes) for _ in range(size)]
        rows.append([-1] * draw(st.integers(0, 1)) + words + [-1])
    length = max(map(len, rows))
    return torch.tensor([row + [-1] * (length - len(row)) for row in rows])


@given(word_rows(), st.sampled_from(["first", "mean", "last"]))
def test_each_words_vector_is_that_of_its_own_sub_tokens(word_ids: torch.Tensor, pooling: str) -> None:
    hidden = torch.randn(*word_ids.shape, 3, generator=torch.Generator().manual_seed(0))
    pooled = pool_words(hidden, word_ids, pooling)
    assert pooled.shape == hidden.shape
    for row, words in enumerate(word_ids.tolist()):
        starts = {word: words.index(word) for word in words if word >= 0}
        assert word_starts(word_ids)[row].nonzero().flatten().tolist() == sorted(starts.values())
        for word, start in starts.items():
            own = hidden[row, [position for position, other in enumerate(words) if other == word]]
            expected = {"first": own[0], "mean": own.mean(dim=0), "last": own[-1]}[pooling]
            torch.testing.assert_close(pooled[row, start], expected)


@pytest.mark.parametrize("pooling", ["first", "mean", "last", "previous"])
def test_gradients_reach_the_sub_tokens_that_count(pooling: str) -> None:
    hidden = torch.ones(1, 6, 2, requires_grad=True)
    word_ids = torch.tensor([[-1, 0, 0, 0, 1, -1]])
    pool_words(hidden, word_ids, pooling)[0, 1].sum().backward()
    reached = hidden.grad[0, :, 0].nonzero().flatten().tolist()
    assert reached == {"first": [1], "mean": [1, 2, 3], "last": [3], "previous": [0]}[pooling]


def test_half_precision_is_averaged_in_float32() -> None:
    hidden = torch.full((1, 4001, 1), 0.1, dtype=torch.bfloat16)
    word_ids = torch.zeros(1, 4001, dtype=torch.long)
    pooled = pool_words(hidden, word_ids, "mean")
    assert pooled.dtype == torch.bfloat16 and pooled[0, 0, 0] == hidden[0, 0, 0]


def test_words_are_where_the_inputs_say() -> None:
    word_ids, labels = torch.tensor([[-1, 2, 2, 3]]), torch.tensor([[-100, 0, -100, -100]])
    logits = torch.zeros(1, 4, 2)
    assert find_words(logits, word_ids, labels).tolist() == [[False, True, False, True]]
    assert find_words(logits, None, labels).tolist() == [[False, True, False, False]]
    mask = torch.tensor([[1, 1, 1, 0]])
    assert find_words(logits, None, None, mask).tolist() == [[True, True, True, False]]
    assert find_words(logits).all()
