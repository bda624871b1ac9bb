"""Spans, words and labels, and back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.mmnerd.records import Record, Span, draw, read_records, snap, spans_of, tags_of, write_records
from hf_mlm.construction.mmnerd.sources import words_of
from hf_mlm.data.mmnerd.schemes import TYPES, violation


TAG_RUNS = st.lists(st.tuples(st.sampled_from(["O", *TYPES]), st.integers(1, 3)), min_size=1, max_size=6)


@given(TAG_RUNS)
def test_tags_and_spans_are_the_same(runs: list[tuple[str, int]]) -> None:
    tags = [
        "O" if kind == "O" else f"{'B' if number == 0 else 'I'}-{kind}"
        for kind, length in runs
        for number in range(length)
    ]
    words = words_of(" ".join(["word"] * len(tags)))
    assert violation(tags) is None and tags_of(words, spans_of(words, tags)) == tags


@given(st.text("ab 12", min_size=1, max_size=20), st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5))))
def test_snapped_spans_make_a_record(text: str, drawn: list[tuple[int, int]]) -> None:
    words = words_of(text)
    found = snap(words, [Span(start, start + length, "LOC") for start, length in drawn])
    assert len(found.spans) + found.lost == len(drawn)
    if words:
        Record("x", text, words, found.spans, "en", None, "x", "web", "")


def test_files(tmp_path: Path, record) -> None:
    records = [record("Rome 😀 UNESCO", ("Rome", "LOC"), ("UNESCO", "ORG")), record("né à Rome", id="web/fr/2")]
    write_records(tmp_path / "a.jsonl", records)
    assert list(read_records(tmp_path / "a.jsonl")) == records
    (tmp_path / "b.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(ValueError, match="Expected a sentence at .*b.jsonl:1"):
        list(read_records(tmp_path / "b.jsonl"))


@pytest.mark.parametrize(
    ("spans", "sentence"),
    [
        ([Span(0, 3, "LOC")], "at 0–3"),
        ([Span(0, 8, "LOC"), Span(4, 8, "LOC")], "at 4–8"),
        ([Span(0, 3, "GPE")], "found 'GPE'"),
    ],
)
def test_wrong_spans(spans: list[Span], sentence: str, record) -> None:
    with pytest.raises(ValueError, match=sentence):
        record("Rome and more").with_spans(spans)


def test_draws(record) -> None:
    records = [record("Rome", id=f"web/en/{number}") for number in range(30)]
    drawn = draw(records, 10, 0, "audit")
    assert len({one.id for one in drawn}) == 10 and draw(records[::-1], 10, 0, "audit") == drawn
    assert draw(records, 4, 0, "audit") == drawn[:4] and len(draw(records, 99, 0, "audit")) == 30
    assert draw(records, 10, 1, "audit") != drawn != draw(records, 10, 0, "training")
