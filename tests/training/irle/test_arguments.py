from __future__ import annotations

import pytest

from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments


@pytest.mark.parametrize(
    ("metric", "greater"),
    [
        ("loss", False),
        ("geo_loss", False),
        ("mean_medR", False),
        ("eval_image_to_text_full_medR", False),
        ("image_median_km", False),
        ("text_f1", True),
        ("image_geoscore", True),
        ("image_to_text_R@10", True),
    ],
)
def test_better_is_lower_for_losses_ranks_and_distances(metric: str, greater: bool) -> None:
    assert IRLETrainingArguments("x", metric_for_best_model=metric, use_cpu=True).greater_is_better is greater


def test_what_is_said_about_better_counts() -> None:
    arguments = IRLETrainingArguments("x", metric_for_best_model="mean_medR", greater_is_better=True, use_cpu=True)
    assert arguments.greater_is_better is True
    assert IRLETrainingArguments("x", use_cpu=True).greater_is_better is None


def test_mappings_come_as_mappings_or_yaml() -> None:
    arguments = IRLEArguments(model='{"margin": 0.2}', image_encoder='{"model_type": "resnet"}', text_encoder="folder")
    assert (arguments.model, arguments.image_encoder) == ({"margin": 0.2}, {"model_type": "resnet"})
    assert (arguments.text_encoder, arguments.dataset_options) == ("folder", {})
    for wrong in ("[1]", "[]", "{", "0", "null", 3):
        with pytest.raises(ValueError, match="dataset_options"):
            IRLEArguments(dataset_options=wrong)  # type: ignore[arg-type]
