from __future__ import annotations

import pytest
import torch

from hf_mlm.models.layers.loss_weighting import LogVarianceWeighting


def test_log_variances_settle_where_the_derivative_vanishes() -> None:
    """The minimum over s of c exp(-s) L + s / 2 lies at s = log(2 c L): log L for a regression, log 2L otherwise."""
    weighting = LogVarianceWeighting([True, False])
    losses = [torch.tensor(3.0), torch.tensor(0.2)]
    optimizer = torch.optim.LBFGS(weighting.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        total = weighting(losses)
        total.backward()
        return total

    optimizer.step(closure)
    expected = torch.tensor([3.0, 0.4]).log()
    torch.testing.assert_close(weighting.log_vars.detach(), expected, rtol=1e-3, atol=1e-3)


def test_a_larger_variance_weighs_its_task_less() -> None:
    weighting, loss = LogVarianceWeighting([False, False]), torch.tensor(1.0, requires_grad=True)
    with torch.no_grad():
        weighting.log_vars.copy_(torch.tensor([2.0, 0.0]))
    (gradient,) = torch.autograd.grad(weighting([loss, torch.tensor(1.0)]), loss)
    assert gradient.item() == pytest.approx(torch.tensor(-2.0).exp().item() / 2)


def test_it_wants_one_loss_a_task() -> None:
    with pytest.raises(ValueError):
        LogVarianceWeighting([True, False])([torch.tensor(1.0)])
