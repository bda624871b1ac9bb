from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import CLIPConfig, ConvNextConfig, ResNetConfig, T5Config

from hf_mlm.models.irle.configuration_irle import IRLEConfig, feature_size
from tests.models.irle.tiny import TOKENS, raw_config


def test_the_defaults_are_the_published_sizes() -> None:
    config = IRLEConfig()
    sizes = config.image_feature_size, config.summary_feature_size, config.class_feature_size, config.embedding_size
    assert (*sizes, config.num_geo_cells, config.margin, config.dropout) == (4096, 3072, 3072, 1024, 990, 0.1, 0.1)


def test_the_number_of_cells_is_that_of_the_map() -> None:
    assert IRLEConfig(cell_tokens=TOKENS).num_geo_cells == 5
    assert IRLEConfig(cell_latitudes=[1, 2.5], cell_longitudes=[3, 4]).num_geo_cells == 2


def test_widths_are_those_of_the_encoders(tmp_path: Path) -> None:
    raw_config("resnet").save_pretrained(tmp_path)
    config = IRLEConfig.from_pretrained(tmp_path)
    assert (config.image_feature_size, config.summary_feature_size, config.class_feature_size) == (8, 8, 8)
    assert type(config.image_encoder_config) is ResNetConfig


def test_widths_of_stages_are_those_of_the_last() -> None:
    assert feature_size(ConvNextConfig(hidden_sizes=[3, 5, 6, 7])) == 7


@pytest.mark.parametrize("config", [CLIPConfig(), T5Config()])
def test_a_pair_of_encoders_is_not_one(config: Any) -> None:
    with pytest.raises(ValueError, match=f"{type(config).__name__} is not that of one encoder"):
        feature_size(config)


def test_whole_numbers_serve_as_numbers() -> None:
    assert IRLEConfig(margin=0, dropout=0, geo_label_smoothing_km=75, cell_tokens=TOKENS).margin == 0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tasks": ("geo", "ner")}, "'retrieval' and 'geo'"),
        ({"embedding_size": 0}, "embedding_size=0 must be at least 1"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"negative_share": 1.5}, "negative_share=1.5"),
        ({"temperature": 0}, "temperature=0"),
        ({"loss_weights": [1]}, "two numbers"),
        ({"geo_label_smoothing_km": -1, "cell_tokens": TOKENS}, "above 0 km"),
        ({"geo_label_smoothing_km": 75}, "pass cell_tokens, or their centres"),
        ({"hierarchy_levels": [2]}, "pass cell_tokens"),
        ({"hierarchy_levels": [31], "cell_tokens": TOKENS}, "0 to 30"),
        ({"cell_tokens": TOKENS, "num_geo_cells": 4}, "cell_tokens has 5 entries for num_geo_cells=4"),
        ({"cell_tokens": TOKENS[::-1]}, "out of order"),
        ({"cell_tokens": ["47b", "47b"]}, "overlap"),
        ({"cell_tokens": ["47b", "zürich"]}, "zürich"),
        ({"cell_latitudes": [1.0]}, "come together"),
        ({"cell_latitudes": [91.0], "cell_longitudes": [0.0]}, "91"),
        ({"loss_weighting": "learned"}, "loss_weighting"),
        ({"use_classes": "yes"}, "use_classes"),
    ],
)
def test_a_wrong_setting_gets_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StrictDataclassError, match=sentence):
        IRLEConfig(**settings)


def test_a_setting_is_checked_when_it_is_changed() -> None:
    with pytest.raises(StrictDataclassError, match="margin"):
        IRLEConfig().margin = "wide"


def test_the_reference_restores_what_the_published_code_does() -> None:
    config = IRLEConfig.reference(num_geo_cells=99)
    assert (config.swapped_image_target, config.loss_weighting, config.loss_weights) == ("text", "fixed", [0.25, 0.5])
    assert not config.normalize_text_embeds and config.num_geo_cells == 99
