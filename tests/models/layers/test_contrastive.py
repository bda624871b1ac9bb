"""The losses in one process; `TestCommon.test_two_processes_equal_one` of IR+LE compares them with two."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from hf_mlm.models.layers.contrastive import gather_with_gradient, info_nce, own_columns, siglip_loss


def pairs(rows: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    embeds = (torch.randn(rows, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    image, text = (functional.normalize(vectors, dim=1).requires_grad_() for vectors in embeds)
    return image, text


def test_info_nce_is_the_mean_surprise_of_finding_ones_own() -> None:
    image, text = pairs()
    cosines = (image @ text.T).tolist()
    total = 0.0
    for i in range(5):
        row = [math.exp(7 * cosines[i][j]) for j in range(5)]
        column = [math.exp(7 * cosines[j][i]) for j in range(5)]
        total -= math.log(row[i] / sum(row)) + math.log(column[i] / sum(column))
    assert info_nce(image, text, torch.tensor(7.0)).item() == pytest.approx(total / 10)


def test_siglip_asks_of_every_pair_whether_it_belongs_together() -> None:
    image, text = pairs()
    cosines = (image @ text.T).tolist()
    total = sum(
        math.log1p(math.exp(-(1 if i == j else -1) * (7 * cosines[i][j] - 2))) for i in range(5) for j in range(5)
    )
    assert siglip_loss(image, text, torch.tensor(7.0), torch.tensor(-2.0)).item() == pytest.approx(total / 5)


def test_gradients_are_exact() -> None:
    scale, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (3.0, -1.0))
    assert torch.autograd.gradcheck(info_nce, (*pairs(), scale))
    assert torch.autograd.gradcheck(siglip_loss, (*pairs(), scale, bias))


def test_collapsed_embeddings_cost_what_guessing_costs() -> None:
    same = torch.ones(8, 2) / math.sqrt(2)
    assert info_nce(same, same, torch.tensor(100.0)).item() == pytest.approx(math.log(8))


def test_autocast_does_not_round_cosines() -> None:
    image, text = (vectors.detach().float() for vectors in pairs())
    exact = info_nce(image, text, torch.tensor(100.0))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(info_nce(image, text, torch.tensor(100.0)), exact)


def test_one_process_keeps_its_rows() -> None:
    rows = torch.randn(3, 2)
    assert gather_with_gradient(rows) is rows
    assert own_columns(torch.zeros(3, 3)).tolist() == [0, 1, 2]
