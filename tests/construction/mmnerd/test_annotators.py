"""Rules and spaCy behind one interface."""

from pathlib import Path

import pytest

from hf_mlm.construction.mmnerd.annotators import RuleAnnotator, open_annotator
from hf_mlm.construction.mmnerd.records import Span


def found(annotator, text: str) -> list[tuple[str, str]]:
    (spans,) = annotator([text])
    return [(text[span.start : span.end], span.label) for span in spans]


def test_the_longest_name_wins() -> None:
    annotate = RuleAnnotator({"York": "LOC", "New York": "GPE", "New York Times": "ORG"})
    assert found(annotate, "New York Times in New York, York") == [
        ("New York Times", "ORG"),
        ("New York", "GPE"),
        ("York", "LOC"),
    ]
    assert found(annotate, "new york Yorkshire") == []


def test_german() -> None:
    annotate = open_annotator({"rules": "german"})
    text = "Am 3. Oktober 1990 sprach Kanzler Helmut Kohl mit der Siemens AG in Magdeburg"
    assert found(annotate, text) == [
        ("3. Oktober 1990", "DATE"),
        ("Helmut Kohl", "PER"),
        ("Siemens AG", "ORG"),
        ("Magdeburg", "LOC"),
    ]


@pytest.mark.real
def test_spacy(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "GPE", "pattern": "New York"}, {"label": "PERSON", "pattern": "Ada"}])
    pipeline.to_disk(tmp_path / "ruled")
    spacy.blank("en").to_disk(tmp_path / "blank")
    annotate = open_annotator({"spacy": str(tmp_path / "ruled")})
    assert list(annotate(["Ada 😀 left New York", "none"])) == [[Span(0, 3, "PERSON"), Span(11, 19, "GPE")], []]
    assert annotate.name.startswith(f"spaCy {spacy.__version__}, en_")
    with pytest.raises(OSError, match="spaCy has no model 'en_none'"):
        open_annotator({"spacy": "en_none"})
    with pytest.raises(ValueError, match="does not find entities"):
        open_annotator({"spacy": str(tmp_path / "blank")})


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'spacy: MODEL' or 'rules: FILE'"):
        open_annotator({"regex": "x"})
    with pytest.raises(FileNotFoundError, match="no file of rules"):
        open_annotator({"rules": str(tmp_path / "none.yaml")})
    with pytest.raises(ValueError, match="no regular expression"):
        RuleAnnotator({}, {"ORG": ["("]})
    (tmp_path / "list.yaml").write_text("[1]")
    with pytest.raises(ValueError, match="has to hold 'names'"):
        open_annotator({"rules": str(tmp_path / "list.yaml")})
