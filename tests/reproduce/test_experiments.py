import dataclasses
import json

import pytest

from hf_mlm.reproduce.catalog import TABLES
from hf_mlm.reproduce.experiments import CountSpec, IRLESpec, TaggerSpec, as_dict


def test_specs_are_frozen_and_those_of_a_table_have_names_of_their_own() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TaggerSpec("BERT", "en").model = "UMT"  # type: ignore[misc]
    for table in TABLES.values():
        assert len({spec.name for spec in table.specs}) == len(table.specs)


def test_a_spec_is_told_by_what_differs_from_its_defaults() -> None:
    told = as_dict(TaggerSpec("2M-NER", "all", images="blank", branches=("vit",)))
    assert told == {"kind": "tagger", "model": "2M-NER", "dataset": "all", "images": "blank", "branches": ("vit",)}
    assert json.loads(json.dumps(as_dict(IRLESpec("irle", ("geo",)))))["tasks"] == ["geo"]
    assert as_dict(CountSpec("mlm", "irle"))["paper"] == "mlm"


def test_names_can_be_read() -> None:
    assert IRLESpec("irle-gr", reference=True).name == "irle-gr-multitask-reference"
    assert TaggerSpec("2M-NER", "en+de", fold=2, text_only=True).name == "2m-ner-en+de-text-fold2"
    assert (
        TaggerSpec("2M-NER", "all", settings=(("alpha", 0.3),), learning_rate=1e-4).name
        == "2m-ner-all-alpha0.3-rate0.0001"
    )
