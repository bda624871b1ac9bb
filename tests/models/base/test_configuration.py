from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hf_mlm.data.mmnerd.schemes import TAGS
from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig
from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig


CONFIGS: list[Any] = [CRFTaggerConfig, TwoMNERConfig]


@pytest.mark.parametrize("config_class", CONFIGS)
def test_labels_are_mmnerds_unless_others_are_given(config_class: Any) -> None:
    assert config_class().label_names == list(TAGS) and config_class().label2id["O"] == 0
    own = config_class(id2label={0: "O", 1: "B-X", 2: "I-X"})
    assert own.num_labels == 3 and own.label2id == {"O": 0, "B-X": 1, "I-X": 2}
    assert config_class(num_labels=2, constrained_decoding=False).label_names == ["LABEL_0", "LABEL_1"]


@pytest.mark.parametrize("config_class", CONFIGS)
def test_many_labels_keep_their_order_when_saved(config_class: Any, tmp_path: Path) -> None:
    names = ["O"] + [f"{prefix}-{number}" for number in range(8) for prefix in "BI"]
    config_class(id2label=dict(enumerate(names)), dropout=0).save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is config_class and loaded.label_names == names and loaded.dropout == 0


def test_a_softmax_takes_any_labels() -> None:
    assert not CRFTaggerConfig(head="softmax", num_labels=4).constrained_decoding


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"id2label": {0: "O", 1: "O"}}, "must number different labels"),
        ({"id2label": {1: "O", 2: "B-X"}}, "without gaps"),
        ({"id2label": {0: "O", 1: "I-X"}}, "'I-X' is none"),
        ({"num_labels": 4}, "'LABEL_0' is none: pass id2label"),
        ({"dropout": -0.1}, r"dropout=-0.1 must lie in \[0, 1\)"),
    ],
)
def test_contradictions_get_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StrictDataclassError, match=sentence):
        CRFTaggerConfig(**settings)
