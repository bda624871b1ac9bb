"""Pre-annotators and their label maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hf_mlm.construction.mmnerd.build import NERBuildConfig
from hf_mlm.construction.mmnerd.proposing import Propose, RulePreAnnotator, load_label_map, mapped, open_pre_annotator
from hf_mlm.construction.mmnerd.records import Record, Span
from hf_mlm.construction.mmnerd.sources import Source
from hf_mlm.construction.stage import to_document


def test_maps(tmp_path: Path) -> None:
    labels = ("PERSON", "GPE", "LOC", "ORG", "CARDINAL")
    assert [mapped(label, load_label_map("paper")) for label in labels] == ["PER", "MISC", "LOC", "ORG", "MISC"]
    assert [mapped(label, load_label_map("gpe_as_loc")) for label in labels] == ["PER", "LOC", "LOC", "ORG", "MISC"]
    (tmp_path / "own.yaml").write_text("{GPE: LOC, CARDINAL: O}")
    own = load_label_map(str(tmp_path / "own.yaml"))
    assert [mapped(label, own) for label in ("GPE", "CARDINAL", "ORG")] == ["LOC", None, None]
    (tmp_path / "bad.yaml").write_text("{GPE: PLACE}")
    with pytest.raises(ValueError, match="Expected labels mapped to .*bad.yaml, found 'PLACE'"):
        load_label_map(str(tmp_path / "bad.yaml"))
    with pytest.raises(FileNotFoundError, match="paper, gpe_as_loc, found label_map="):
        load_label_map("spacy")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Frau Dr. Ada Lovelace kam", [("Ada Lovelace", "PER")]),
        ("der Otto Versand GmbH gehört", [("Otto Versand GmbH", "ORG")]),
        ("er lebt in Hamburg", [("Hamburg", "LOC")]),
        ("am 9. November 1989", [("9. November 1989", "DATE")]),
        ("in einem Haus aus Holz", []),
        ("das ist schön", []),
    ],
)
def test_rules(text: str, expected: list[tuple[str, str]]) -> None:
    (spans,) = open_pre_annotator({"rules": "german"})([text])
    assert [(text[span.start : span.end], span.label) for span in spans] == expected


def found(annotator, text: str) -> list[tuple[str, str]]:
    (spans,) = annotator([text])
    return [(text[span.start : span.end], span.label) for span in spans]


def test_the_longest_name_wins() -> None:
    annotate = RulePreAnnotator({"York": "LOC", "New York": "GPE", "New York Times": "ORG"})
    assert found(annotate, "New York Times in New York, York") == [
        ("New York Times", "ORG"),
        ("New York", "GPE"),
        ("York", "LOC"),
    ]
    assert found(annotate, "new york Yorkshire") == []


def test_german() -> None:
    annotate = open_pre_annotator({"rules": "german"})
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
    annotate = open_pre_annotator({"spacy": str(tmp_path / "ruled")})
    assert list(annotate(["Ada 😀 left New York", "none"])) == [[Span(0, 3, "PERSON"), Span(11, 19, "GPE")], []]
    assert annotate.name.startswith(f"spaCy {spacy.__version__}, en_")
    with pytest.raises(OSError, match="found none named 'en_none'"):
        open_pre_annotator({"spacy": "en_none"})
    with pytest.raises(ValueError, match="Expected a component that finds entities"):
        open_pre_annotator({"spacy": str(tmp_path / "blank")})


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'spacy: MODEL' or 'rules: FILE'"):
        open_pre_annotator({"regex": "x"})
    with pytest.raises(FileNotFoundError, match="found no file .*none.yaml"):
        open_pre_annotator({"rules": str(tmp_path / "none.yaml")})
    with pytest.raises(ValueError, match="Expected regular expressions"):
        RulePreAnnotator({}, {"ORG": ["("]})
    (tmp_path / "list.yaml").write_text("[1]")
    with pytest.raises(ValueError, match="Expected a mapping such as 'names"):
        open_pre_annotator({"rules": str(tmp_path / "list.yaml")})


RULES = "names: {Rome: GPE, UNESCO: ORG, Ada: PERSON}\npatterns: {GPE: ['Ital'], PERSON: ['<PERSON>']}"


def proposed(tmp_path: Path, *records: Record, **changes: object) -> tuple[dict[str, Record], Propose]:
    (tmp_path / "rules.yaml").write_text(RULES)
    source = Source("captions", "none", "en", "web")
    config = NERBuildConfig((source,), {"en": {"rules": str(tmp_path / "rules.yaml")}}, **changes)
    block = Propose(config.pre_annotators, config.label_map, config.min_entities)
    rows = [one.to_row() | {"proposed": one.source == "web", "translate_to": []} for one in records]
    found = [Record.from_row(document.metadata) for document in block.run([to_document(row) for row in rows])]
    return {one.id: one for one in found}, block


def surfaces(record: Record) -> list[tuple[str, str]]:
    return [(record.text[span.start : span.end], span.label) for span in record.spans]


def test_proposals(record: Callable[..., Record], tmp_path: Path) -> None:
    full, few = record("<PERSON> and Ada in Rome, Italy"), record("Rome alone", id="web/en/2")
    found, block = proposed(tmp_path, full, few, placeholder="keep")
    assert surfaces(found[full.id]) == [("Ada", "PER"), ("Rome", "MISC"), ("Italy", "MISC")]  # the paper's rule
    assert block.ledger.dropped == {"fewer than 2 entities proposed": 1}
    assert block.ledger.noted == {
        "proposal on a placeholder, left out": 1,
        "proposal widened to whole words": 1,
    }
    found, _ = proposed(tmp_path, full, few, min_entities=1, label_map="gpe_as_loc")
    assert surfaces(found[few.id]) == [("Rome", "LOC")]
