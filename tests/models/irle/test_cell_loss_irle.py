from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from s2sphere import CellId
from torch.nn import functional

from hf_mlm.models.irle import IRLEConfig, IRLEForRetrievalAndGeo
from hf_mlm.models.irle.cell_loss_irle import CellLoss
from tests.models.irle.tiny import feature_batch, feature_config


TOKENS = ["0c4", "0cc", "0d4", "479", "47b"]  # the first two lie in 0d at level 2, the third beside it


def logits(rows: int = 6) -> torch.Tensor:
    return torch.randn(rows, len(TOKENS), generator=torch.Generator().manual_seed(0))


def loss(**settings: object) -> CellLoss:
    return CellLoss(IRLEConfig(cell_tokens=TOKENS, **settings))


def test_it_is_the_cross_entropy_of_the_rows_that_are_known() -> None:
    cells = torch.tensor([0, -1, 4, 2, -1, 1])
    known = cells >= 0
    torch.testing.assert_close(loss()(logits(), cells), functional.cross_entropy(logits()[known], cells[known]))


def test_a_batch_without_a_known_cell_costs_nothing() -> None:
    values = logits().requires_grad_()
    total = loss(hierarchy_levels=[2], geo_label_smoothing_km=100)(values, torch.full((6,), -1))
    total.backward()
    assert total.item() == 0 and not values.grad.any()


def test_smoothed_targets_fall_off_with_the_distance() -> None:
    """Against targets spelled out row by row from s2sphere's angles between centres."""
    centers = [CellId.from_token(token).to_lat_lng() for token in TOKENS]
    total = 0.0
    for row, target in zip(logits().log_softmax(1).tolist(), [0, 1, 2, 3, 4, 0], strict=True):
        weights = [math.exp(-6371.0088 * centers[target].get_distance(other).radians / 900) for other in centers]
        total -= sum(w / sum(weights) * value for w, value in zip(weights, row, strict=True))
    ours = loss(geo_label_smoothing_km=900)(logits(), torch.tensor([0, 1, 2, 3, 4, 0]))
    assert ours.item() == pytest.approx(total / 6, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_places_stay_exact_in_a_model_of_half_precision(dtype: torch.dtype) -> None:
    cells = torch.tensor([0, 1, 2, 3, 4, 0])
    single, half = loss(geo_label_smoothing_km=9), loss(geo_label_smoothing_km=9).to(dtype)
    assert half(logits(), cells).item() == single(logits(), cells).item()


def test_a_coarse_level_adds_the_cross_entropy_of_summed_probabilities() -> None:
    cells = torch.tensor([0, 1, 2, 3, 4, 0])
    parents = [CellId.from_token(token).parent(2).to_token() for token in TOKENS]
    assert len(set(parents)) < len(TOKENS)
    probabilities = logits().softmax(1)
    coarse = -sum(
        math.log(sum(p for p, parent in zip(row.tolist(), parents, strict=True) if parent == parents[cell]))
        for row, cell in zip(probabilities, cells, strict=True)
    )
    fine = functional.cross_entropy(logits(), cells).item()
    assert loss(hierarchy_levels=[2])(logits(), cells).item() == pytest.approx(fine + coarse / 6, rel=1e-5)


def test_what_it_knows_of_the_earth_survives_loading(tmp_path: Path) -> None:
    """The maps are no part of a checkpoint, and loading starts from an empty model."""
    model = IRLEForRetrievalAndGeo(feature_config(hierarchy_levels=[1, 3], geo_label_smoothing_km=75)).eval()
    model.save_pretrained(tmp_path)
    loaded = IRLEForRetrievalAndGeo.from_pretrained(tmp_path).eval()
    assert loaded(**feature_batch()).geo_loss == model(**feature_batch()).geo_loss
    assert not any("centers" in name or "groups" in name for name in model.state_dict())


@pytest.mark.parametrize("cell", [5, -2])
def test_cells_that_the_model_has_not_are_named(cell: int) -> None:
    with pytest.raises(ValueError, match=f"cells must be 0 to 4, or -1 where there is none, got {cell} at row 1: "):
        loss()(logits(3), torch.tensor([-1, cell, 0]))
