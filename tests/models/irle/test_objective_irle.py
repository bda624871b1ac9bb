from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from s2sphere import CellId
from torch.nn import functional

from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo, IRLEModalityOutput
from hf_mlm.models.irle.objective_irle import CellLoss, IRLEObjective, swap_images, swap_pairs
from tests.models.irle.tiny import TOKENS, feature_batch, feature_config


ROWS, CELLS = 12, len(TOKENS)


def sides(seed: int = 0) -> tuple[IRLEModalityOutput, IRLEModalityOutput]:
    torch.manual_seed(seed)
    return tuple(IRLEModalityOutput(torch.randn(ROWS, 6), torch.randn(ROWS, CELLS)) for _ in range(2))


def cells() -> dict[str, torch.Tensor]:
    return {"image_cells": torch.arange(ROWS) % CELLS, "text_cells": (torch.arange(ROWS) + 1) % CELLS}


def objective(**settings: Any) -> IRLEObjective:
    return IRLEForRetrievalAndGeo(feature_config(**settings)).objective


@given(rows=st.integers(2, 40), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_the_exchanged_rows_get_another_rows_image(rows: int, share: float, seed: int) -> None:
    torch.manual_seed(seed)
    sources, pair_targets = swap_images(rows, share, torch.device("cpu"))
    own = sources == torch.arange(rows)
    assert (~own).sum() == round(share * rows)
    assert pair_targets.tolist() == [1.0 if kept else -1.0 for kept in own]
    assert len(set(sources[~own].tolist())) == (~own).sum()  # nobody's image is used twice among them


def test_a_single_row_has_nobody_to_exchange_with() -> None:
    sources, pair_targets = swap_images(1, 1.0, torch.device("cpu"))
    assert (sources.tolist(), pair_targets.tolist()) == ([0], [1.0])


def test_every_exchange_is_as_likely() -> None:
    torch.manual_seed(0)
    counts = torch.zeros(4, 4)
    for _ in range(4000):
        counts[torch.arange(4), swap_images(4, 0.5, torch.device("cpu"))[0]] += 1
    expected = torch.full((4, 4), 4000 * 0.5 / 3).fill_diagonal_(4000 * 0.5)
    assert ((counts - expected).abs() < 6 * expected.sqrt()).all()


def test_exchanged_images_keep_their_own_cell() -> None:
    """The geo loss does not know of the exchange, and the retrieval loss is that of the exchanged pairs."""
    image, text = sides()
    train = objective().train()
    torch.manual_seed(5)
    losses = train(image, text, **cells())
    torch.manual_seed(5)
    sources, pairs = swap_images(ROWS, 0.5, torch.device("cpu"))
    exchanged = IRLEModalityOutput(image.embeds[sources], image.geo_logits)
    spelled_out = train.eval()(exchanged, text, **cells(), pair_targets=pairs)
    torch.testing.assert_close(losses.retrieval_loss, spelled_out.retrieval_loss)
    torch.testing.assert_close(losses.geo_loss, spelled_out.geo_loss)


def test_the_reference_teaches_exchanged_images_the_cell_of_the_text() -> None:
    image, text = sides()
    train = objective(swapped_image_target="text", tasks=("geo",)).train()
    torch.manual_seed(5)
    losses = train(IRLEModalityOutput(None, image.geo_logits), IRLEModalityOutput(None, text.geo_logits), **cells())
    torch.manual_seed(5)
    sources, _ = swap_images(ROWS, 0.5, torch.device("cpu"))
    log_probs = [side.log_softmax(1) for side in (image.geo_logits[sources], text.geo_logits)]
    expected = sum(-side[torch.arange(ROWS), cells()["text_cells"]].mean() for side in log_probs)
    torch.testing.assert_close(losses.geo_loss, expected)


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ({"loss_weighting": "equal"}, (1.0, 1.0)),
        ({"loss_weighting": "fixed"}, (0.25, 0.5)),
        ({"loss_weighting": "fixed", "loss_weights": [2, 3]}, (2.0, 3.0)),
        ({"loss_weighting": "log_variance"}, (0.25, 0.5)),  # where it starts
    ],
)
def test_the_total_weighs_the_tasks(settings: dict[str, Any], weights: tuple[float, float]) -> None:
    losses = objective(**settings).eval()(*sides(), **cells())
    expected = weights[0] * losses.retrieval_loss + weights[1] * losses.geo_loss
    torch.testing.assert_close(losses.loss, expected)


def test_learned_scales_start_where_the_configuration_says_and_stop_at_100() -> None:
    contrast = objective(retrieval_loss="info_nce", temperature=0.05)
    assert contrast.logit_scale.exp().item() == pytest.approx(20)
    image, text = sides()
    with torch.no_grad():
        contrast.logit_scale.fill_(10.0)
        far = contrast.eval()(image, text, **cells()).retrieval_loss
        contrast.logit_scale.fill_(torch.tensor(100.0).log())
    torch.testing.assert_close(far, contrast(image, text, **cells()).retrieval_loss)
    assert objective(retrieval_loss="siglip").logit_bias.item() == -10


NESTED = ["0c4", "0cc", "0d4", "479", "47b"]  # the first two lie in 0d at level 2, the third beside it


def random_logits(rows: int = 6) -> torch.Tensor:
    return torch.randn(rows, len(NESTED), generator=torch.Generator().manual_seed(0))


def cell_loss(**settings: object) -> CellLoss:
    return CellLoss(IRLEConfig(cell_tokens=NESTED, **settings))


def test_it_is_the_cross_entropy_of_the_rows_that_are_known() -> None:
    cells = torch.tensor([0, -1, 4, 2, -1, 1])
    known = cells >= 0
    torch.testing.assert_close(
        cell_loss()(random_logits(), cells), functional.cross_entropy(random_logits()[known], cells[known])
    )


def test_a_batch_without_a_known_cell_costs_nothing() -> None:
    values = random_logits().requires_grad_()
    total = cell_loss(hierarchy_levels=[2], geo_label_smoothing_km=100)(values, torch.full((6,), -1))
    total.backward()
    assert total.item() == 0 and not values.grad.any()


def test_smoothed_targets_fall_off_with_the_distance() -> None:
    """Against targets spelled out row by row from s2sphere's angles between centres."""
    centers = [CellId.from_token(token).to_lat_lng() for token in NESTED]
    total = 0.0
    for row, target in zip(random_logits().log_softmax(1).tolist(), [0, 1, 2, 3, 4, 0], strict=True):
        weights = [math.exp(-6371.0088 * centers[target].get_distance(other).radians / 900) for other in centers]
        total -= sum(w / sum(weights) * value for w, value in zip(weights, row, strict=True))
    ours = cell_loss(geo_label_smoothing_km=900)(random_logits(), torch.tensor([0, 1, 2, 3, 4, 0]))
    assert ours.item() == pytest.approx(total / 6, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_places_stay_exact_in_a_model_of_half_precision(dtype: torch.dtype) -> None:
    cells = torch.tensor([0, 1, 2, 3, 4, 0])
    single, half = cell_loss(geo_label_smoothing_km=9), cell_loss(geo_label_smoothing_km=9).to(dtype)
    assert half(random_logits(), cells).item() == single(random_logits(), cells).item()


def test_a_coarse_level_adds_the_cross_entropy_of_summed_probabilities() -> None:
    cells = torch.tensor([0, 1, 2, 3, 4, 0])
    parents = [CellId.from_token(token).parent(2).to_token() for token in NESTED]
    assert len(set(parents)) < len(NESTED)
    probabilities = random_logits().softmax(1)
    coarse = -sum(
        math.log(sum(p for p, parent in zip(row.tolist(), parents, strict=True) if parent == parents[cell]))
        for row, cell in zip(probabilities, cells, strict=True)
    )
    fine = functional.cross_entropy(random_logits(), cells).item()
    assert cell_loss(hierarchy_levels=[2])(random_logits(), cells).item() == pytest.approx(fine + coarse / 6, rel=1e-5)


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
        cell_loss()(random_logits(3), torch.tensor([-1, cell, 0]))


@pytest.mark.parametrize("loss", ["cosine_embedding", "info_nce", "siglip"])
def test_rows_without_a_side_are_left_out_of_the_losses(loss: str) -> None:
    """The losses of a batch with incomplete rows are those of its complete rows alone."""
    image, text = sides()
    whole = objective(retrieval_loss=loss).eval()
    has_image, has_text = torch.arange(ROWS) % 3 != 0, torch.arange(ROWS) % 4 != 1
    pairs = has_image & has_text
    targets = {
        "image_cells": (torch.arange(ROWS) % CELLS).masked_fill(~has_image, -100),
        "text_cells": (torch.arange(ROWS) % CELLS).masked_fill(~has_text, -100),
    }
    found = whole(image, text, **targets, pair_targets=pairs.float())
    part = [IRLEModalityOutput(side.embeds[pairs], side.geo_logits[pairs]) for side in (image, text)]
    complete = whole(*part, *(cells[pairs] for cells in targets.values()))
    torch.testing.assert_close(found.retrieval_loss, complete.retrieval_loss)
    entropies = [
        torch.nn.functional.cross_entropy(side.geo_logits[shown], targets[f"{name}_cells"][shown])
        for name, side, shown in (("image", image, has_image), ("text", text, has_text))
    ]
    torch.testing.assert_close(found.geo_loss, sum(entropies))


def test_images_are_swapped_among_complete_pairs_alone() -> None:
    pair_targets = torch.tensor([1.0, 0, 1, 1, 0, 1])
    for seed in range(20):
        torch.manual_seed(seed)
        sources, targets = swap_pairs(6, 0.5, torch.device("cpu"), pair_targets)
        swapped = sources != torch.arange(6)
        assert (swapped & (pair_targets == 0)).sum() == 0 and set(sources[swapped].tolist()) <= {0, 2, 3, 5}
        assert targets.tolist() == torch.where(swapped, -1.0, pair_targets).tolist()


@pytest.mark.parametrize("loss", ["cosine_embedding", "info_nce", "siglip"])
def test_a_batch_without_a_pair_has_no_retrieval_loss(loss: str) -> None:
    image, text = sides()
    image.embeds.requires_grad_()
    losses = objective(retrieval_loss=loss).train()(image, text, **cells(), pair_targets=torch.zeros(ROWS))
    assert losses.retrieval_loss == 0
    losses.loss.backward()
    assert image.embeds.grad.isfinite().all()
