"""Each form of forward–backward against the plain one, at the edges of its range."""

from __future__ import annotations

import pytest
import torch

from hf_mlm.models.layers.crf_likelihood import (
    Chain,
    absorbing_chain,
    forward_backward,
    log_forward_backward,
    widest_score,
)


def random_chain(score: float, emission: float, tags: int = 4) -> Chain:
    """Chains of 0 to 40 words with transitions up to ``score`` and emissions up to ``emission`` away from 0."""
    generator = torch.Generator().manual_seed(int(score + emission))

    def draw(scale: float, *shape: int) -> torch.Tensor:
        return scale * (2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1)

    mask = torch.arange(40) < torch.tensor([[0], [1], [17], [40]])
    return absorbing_chain(
        draw(emission, 4, 40, tags), mask, draw(score, tags), draw(score, tags, tags), draw(score, tags)
    )


@pytest.mark.parametrize("rescale_every", [2, 8])
@pytest.mark.parametrize("emission", [0.0, 5.0, 300.0, 1e4])
def test_probabilities_and_logarithms_agree_up_to_the_widest_score(rescale_every: int, emission: float) -> None:
    widest = widest_score(rescale_every)
    scaled = forward_backward(random_chain(widest, emission), rescale_every)
    logarithmic = log_forward_backward(random_chain(widest, emission))
    for ours, plain in zip(scaled, logarithmic, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)


def test_a_chain_goes_on_in_end_when_its_words_are_over() -> None:
    posterior = log_forward_backward(random_chain(1.0, 1.0))
    in_end = posterior.marginals[:, -1]  # (positions, batch)
    assert torch.equal(in_end.round(), (torch.arange(41).unsqueeze(1) >= torch.tensor([0, 1, 17, 40])).double())
    words_left = posterior.transitions[:, :-1].sum((1, 2))  # each word but END's is left once
    torch.testing.assert_close(words_left, torch.tensor([0.0, 1, 17, 40]).double())
