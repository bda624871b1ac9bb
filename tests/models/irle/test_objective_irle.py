from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo, IRLEModalityOutput
from hf_mlm.models.irle.objective_irle import IRLEObjective, swap_images
from tests.models.irle.tiny import TOKENS, feature_config


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
