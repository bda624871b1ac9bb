"""Rules for German, each with what it finds and what it must not."""

import pytest

from hf_mlm.construction.mmnerd.annotators import open_annotator


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
    (spans,) = open_annotator({"rules": "german"})([text])
    assert [(text[span.start : span.end], span.label) for span in spans] == expected
