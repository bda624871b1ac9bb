from __future__ import annotations

import pytest
import torch
from torch import nn

from hf_mlm.models.irle.branches_irle import ClassBranch, GatedLinear, GeoHead, ImageBranch, SummaryBranch


def test_a_gated_linear_layer_is_an_lstm_of_one_step() -> None:
    torch.manual_seed(0)
    lstm, gated, features = nn.LSTM(7, 5, batch_first=True), GatedLinear(7, 5), torch.randn(3, 7)
    rows = torch.cat([torch.arange(5), torch.arange(10, 20)])  # torch's order is input, forget, candidate, output
    with torch.no_grad():
        gated.weight.copy_(lstm.weight_ih_l0[rows])
        gated.bias.copy_((lstm.bias_ih_l0 + lstm.bias_hh_l0)[rows])
    torch.testing.assert_close(gated(features), lstm(features[:, None])[0][:, 0])


@pytest.mark.parametrize(
    "branch", [ImageBranch(7, 5), SummaryBranch(7, 5), ClassBranch(7, 5, dropout=0.5)], ids=lambda b: type(b).__name__
)
def test_a_branch_gives_float32_vectors_of_unit_length(branch: nn.Module) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        vectors = branch.to(dtype)(torch.randn(4, 7))
        assert vectors.dtype == torch.float32
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    branch.to(torch.float32)


def test_only_classes_and_the_geo_head_drop() -> None:
    torch.manual_seed(0)
    features = torch.randn(64, 7)
    random = {
        type(module).__name__: not torch.equal(module(features), module(features))
        for module in (ImageBranch(7, 5), SummaryBranch(7, 5), ClassBranch(7, 5, 0.5), GeoHead(7, 3, 0.5))
    }
    assert random == {"ImageBranch": False, "SummaryBranch": False, "ClassBranch": True, "GeoHead": True}
