"""Editions of MMNERD as YAML: files beside it, and sentences for what is wrong."""

import json
from pathlib import Path

import pytest

from hf_mlm.construction.mmnerd.edition import load_ner_edition


def test_files_lie_beside_the_edition(edition_file: Path, tmp_path: Path) -> None:
    edition = load_ner_edition(edition_file)
    assert edition.sources[0].path == str(tmp_path / "captions.tsv")
    assert edition.annotators == {"en": {"rules": str(tmp_path / "rules.yaml")}}
    plain = edition.to_json()
    assert json.loads(json.dumps(plain)) == plain and plain["labels"]["GPE"] == "LOC"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sources: []", "needs at least one source"),
        ("[1]", "has to be a mapping"),
        ("sources: [{kind: captions, path: a, language: en, name: web}]", "annotators has none for the captions"),
        ("sources: [{kind: conll, path: a, language: en}]", "a source needs name"),
        ("sources: [{kind: conll, path: a, language: it, name: x}]", "'it' is none of en"),
        ("sources: [{kind: conll, path: a, language: en, name: x, translate_to: [fr]}]", "has no translation"),
        ("sources: [{kind: conll, path: a, language: en, name: x}]\nplaceholder: hide", "placeholder='hide'"),
        ("sources: [{kind: conll, path: a, language: en, name: x}]\nseeds: 1", "an edition has no"),
    ],
)
def test_wrong_editions(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "edition.yaml").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        load_ner_edition(tmp_path / "edition.yaml")
