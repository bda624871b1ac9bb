"""The collaboration block against its equations, written out head by head and word by word."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from hf_mlm.models.layers.attention import CrossModalBlock


def layer_norm(row: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
    centred = row - row.mean()
    return centred / torch.sqrt(centred.square().mean() + norm.eps) * norm.weight + norm.bias


def by_equations(block: CrossModalBlock, words: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Equations 11-14 for one sentence: words (words, hidden), tokens (tokens, hidden)."""
    size = words.shape[1] // block.num_heads
    projection = block.key if block.query is None else block.query
    rows = []
    for word in words:
        heads = []
        for head in range(block.num_heads):
            part = slice(head * size, (head + 1) * size)
            query = projection.weight[part] @ word + projection.bias[part]
            keys = [block.key.weight[part] @ token + block.key.bias[part] for token in tokens]
            values = [block.value.weight[part] @ token + block.value.bias[part] for token in tokens]
            weights = torch.stack([query @ key / math.sqrt(size) for key in keys]).exp()
            heads.append(sum(w * v for w, v in zip(weights / weights.sum(), values, strict=True)))
        row = layer_norm(word + block.output.weight @ torch.cat(heads) + block.output.bias, block.attention_norm)
        if block.ffn is not None:
            inner = block.ffn.inner.weight @ row + block.ffn.inner.bias
            inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
            row = layer_norm(row + block.ffn.outer.weight @ inner + block.ffn.outer.bias, block.ffn.norm)
        rows.append(row)
    return torch.stack(rows)


def random_case(tokens: int = 7, **options: bool) -> tuple[CrossModalBlock, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    block = CrossModalBlock(12, num_heads=3, dropout=0.5, **options).double().eval()
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    return block, torch.randn(4, 5, 12).double(), torch.randn(4, tokens, 12).double()


@pytest.mark.parametrize("options", [{}, {"use_ffn": False}, {"tie_query_key": True}])
@pytest.mark.parametrize("tokens", [1, 7])
def test_equals_the_equations(tokens: int, options: dict[str, bool]) -> None:
    block, words, image_tokens = random_case(tokens, **options)
    expected = torch.stack([by_equations(block, *pair) for pair in zip(words, image_tokens, strict=True)])
    torch.testing.assert_close(block(words, image_tokens), expected)


def test_masked_tokens_might_as_well_not_be_there() -> None:
    block, words, image_tokens = random_case()
    mask = torch.tensor([[True] * 4 + [False] * 3]).expand(4, -1)
    expected = block(words, image_tokens[:, :4])
    torch.testing.assert_close(block(words, image_tokens, key_mask=mask), expected)


def test_words_without_an_image_pass_through_and_give_no_gradient() -> None:
    block, words, image_tokens = random_case()
    image_mask = torch.tensor([True, False, True, True])
    key_mask = torch.ones(4, 7, dtype=torch.bool)
    key_mask[2] = False
    image_tokens[1:3] = torch.nan
    image_tokens.requires_grad_()
    words.requires_grad_()
    fused = block(words, image_tokens, image_mask, key_mask)
    assert torch.equal(fused[1:3], words[1:3])
    torch.testing.assert_close(fused[[0, 3]], block(words[[0, 3]], image_tokens[[0, 3]]))
    fused[1:3].sum().backward()
    assert torch.equal(words.grad[1:3], torch.ones_like(words[1:3]))
    assert image_tokens.grad.count_nonzero() == 0
    assert all(parameter.grad.count_nonzero() == 0 for parameter in block.parameters())


def test_gradients_reach_every_parameter_and_equal_finite_differences() -> None:
    block, words, image_tokens = random_case()
    words, image_tokens = words[:2, :2].requires_grad_(), image_tokens[:2, :3].requires_grad_()
    image_mask = torch.tensor([True, False])
    assert torch.autograd.gradcheck(lambda *inputs: block(*inputs, image_mask), (words, image_tokens))
    block(words, image_tokens).sin().sum().backward()
    unused = [name for name, parameter in block.named_parameters() if parameter.grad.abs().max() < 1e-12]
    assert unused == ["key.bias"]  # it adds the same to all scores of a word, which softmax takes away


def test_one_token_leaves_queries_and_keys_without_a_say() -> None:
    block, words, pooled = random_case(tokens=1)
    block(words, pooled).sin().sum().backward()
    assert block.query.weight.grad.abs().max() < 1e-12 and block.key.weight.grad.abs().max() < 1e-12
    spread = block(words, pooled.expand(-1, 5, -1))  # the published code repeats the vector for each word
    torch.testing.assert_close(spread, block(words, pooled))


def test_tied_projections_are_one_parameter() -> None:
    state = random_case(tie_query_key=True)[0].state_dict()
    assert "key.weight" in state and "query.weight" not in state


def test_dropout_acts_in_training_only() -> None:
    block, words, image_tokens = random_case()
    assert torch.equal(block(words, image_tokens), block(words, image_tokens))
    block.train()
    assert not torch.equal(block(words, image_tokens), block(words, image_tokens))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image_tokens": torch.zeros(4, 12)}, r"image_tokens must be \(batch=4, tokens, hidden_size=12\).*\(4, 12\)"),
        ({"image_tokens": torch.zeros(3, 7, 12)}, r"image_tokens must be \(batch=4.*got the shape \(3, 7, 12\)"),
        ({"image_mask": torch.ones(4)}, r"image_mask must be bool of the shape \(4,\), got torch.float32 of \(4,\)"),
        ({"key_mask": torch.ones(4, 5).bool()}, r"key_mask must be bool of the shape \(4, 7\).*\(4, 5\)"),
    ],
)
def test_bad_input_gets_a_sentence(changes: dict[str, torch.Tensor], sentence: str) -> None:
    block, words, image_tokens = random_case()
    with pytest.raises(ValueError, match=sentence):
        block(**{"words": words, "image_tokens": image_tokens, **changes})


def test_heads_have_to_divide_the_size() -> None:
    with pytest.raises(ValueError, match="hidden_size must be a multiple of num_heads=12, got 100"):
        CrossModalBlock(100)
