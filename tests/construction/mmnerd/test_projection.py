"""Entities along an alignment; no string is compared."""

from hf_mlm.construction.mmnerd.projection import APART, TAKEN, UNALIGNED, project
from hf_mlm.construction.mmnerd.words import words_of


def carried(record, target: str, pairs: set[tuple[int, int]], *spans: tuple[str, str]):
    one = record("Paris saw Paris Hilton in Rome", *spans)
    found = project(one.text, one.words, one.spans, words_of(target), pairs)
    return [(target[span.start : span.end], span.label) for span in found.spans], found.failures


def test_a_name_goes_where_its_own_words_went(record) -> None:
    target = "In Rom sah Paris Hilton Paris"
    pairs = {(0, 5), (2, 3), (3, 4), (4, 0), (5, 1)}
    spans = [("Paris Hilton", "PER"), ("Rome", "LOC")]
    assert carried(record, target, pairs, *spans) == ([("Rom", "LOC"), ("Paris Hilton", "PER")], [])


def test_failures(record) -> None:
    spans = [("Paris Hilton", "PER"), ("Rome", "LOC")]
    found, failures = carried(record, "a b c d e", {(2, 0), (3, 4)}, *spans)
    assert not found and [failure.reason for failure in failures] == [APART, UNALIGNED]
    found, failures = carried(record, "a b c", {(2, 0), (3, 2), (5, 1)}, *spans)
    assert found == [("a b c", "PER")] and failures[0] == ("Rome", "LOC", TAKEN)
