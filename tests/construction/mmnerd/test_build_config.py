"""Label maps."""

import json
from pathlib import Path

import pytest

from hf_mlm.construction.mmnerd.build_config import load_label_map, load_ner_edition, mapped


def test_maps(tmp_path: Path) -> None:
    labels = ("PERSON", "GPE", "LOC", "ORG", "CARDINAL")
    assert [mapped(label, load_label_map("paper")) for label in labels] == ["PER", "MISC", "LOC", "ORG", "MISC"]
    assert [mapped(label, load_label_map("gpe_as_loc")) for label in labels] == ["PER", "LOC", "LOC", "ORG", "MISC"]
    (tmp_path / "own.yaml").write_text("{GPE: LOC, CARDINAL: O}")
    own = load_label_map(str(tmp_path / "own.yaml"))
    assert [mapped(label, own) for label in ("GPE", "CARDINAL", "ORG")] == ["LOC", None, None]
    (tmp_path / "bad.yaml").write_text("{GPE: PLACE}")
    with pytest.raises(ValueError, match="has to map labels to PER"):
        load_label_map(str(tmp_path / "bad.yaml"))
    with pytest.raises(FileNotFoundError, match="neither a file nor one of paper, gpe_as_loc"):
        load_label_map("spacy")


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
