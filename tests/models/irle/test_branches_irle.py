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


@pytest.mark.parametrize("branch", [ImageBranch(6, 4, True), SummaryBranch(6, 4, True), ClassBranch(6, 4, 0.0, True)])
def test_standardised_features_do_not_depend_on_their_units(branch: nn.Module) -> None:
    features = torch.rand(64, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        shifted = branch.train()(features * 50 + 1000)
        torch.testing.assert_close(shifted, branch(features), atol=1e-3, rtol=1e-3)


def test_standardising_is_that_of_the_batch_in_training_and_of_all_batches_afterwards() -> None:
    torch.manual_seed(0)
    branch, plain = ImageBranch(6, 4, True), ImageBranch(6, 4)
    plain.load_state_dict({k: v for k, v in branch.state_dict().items() if not k.startswith("standardize")})
    features = torch.rand(64, 6) * 3 + 7
    expected = plain((features - features.mean(0)) / (features.var(0, unbiased=False) + 1e-5).sqrt())
    torch.testing.assert_close(branch.train()(features), expected)
    for _ in range(200):
        branch(features)
    expected = plain((features - features.mean(0)) / (features.var(0) + 1e-5).sqrt())
    torch.testing.assert_close(branch.eval()(features[:1]), expected[:1], atol=1e-4, rtol=1e-4)
