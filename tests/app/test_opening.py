from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_mlm import IRLEForRetrievalAndGeo
from hf_mlm.app.opening import GalleryRows, open_models
from tests.models.irle.tiny import feature_config


def test_each_model_gives_what_it_can(irle: Path, tagger: Path, tmp_path: Path) -> None:
    both = open_models([str(tagger), str(irle)])
    assert both.locate and both.retrieve and both.tag and both.rows is None
    assert both.reads_images and both.reads_classes
    alone = open_models([str(tagger)])
    assert alone.locate is alone.retrieve is None
    assert alone.reads_images and not alone.reads_classes


def test_rows_are_encoded_and_kept_for_their_pictures(raw_model: Path) -> None:
    opened = open_models([str(raw_model)], GalleryRows("same", "validation", {}))
    assert opened.rows is not None and opened.retrieve is not None
    assert len(opened.retrieve.gallery) == len(opened.rows) and "images" in opened.rows.column_names


def test_unfit_models_are_one_sentence(irle: Path, tagger: Path, tmp_path: Path) -> None:
    other, features = tmp_path / "other", tmp_path / "features"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    IRLEForRetrievalAndGeo(feature_config()).save_pretrained(features)
    for names, gallery, message in [
        ([tmp_path / "absent"], None, "is neither a folder nor a model that the Hub gives out"),
        (["me/absent"], None, "'me/absent' is neither a folder nor a model that the Hub gives out"),
        ([tmp_path], None, "has no config.json"),
        ([other], None, "found 'gpt2'"),
        ([features], None, "reads precomputed features, and the page takes images and texts"),
        ([irle, irle], None, "are two models of one kind: give one IR+LE at most"),
        ([tagger, irle, tagger], None, "give one tagger at most"),
        ([], None, "there is no model"),
        ([tagger], "gallery", "a gallery is searched by an IR+LE, and none is given"),
        ([irle], str(tmp_path), "there is no gallery in"),
    ]:
        with pytest.raises((ValueError, FileNotFoundError), match="^[^\n]*$") as raised:
            open_models([str(name) for name in names], gallery)
        assert message in str(raised.value)
