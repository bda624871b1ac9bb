"""Kappa against scikit-learn's, span F1 against seqeval's."""

import math
import warnings
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mlm.construction.mmnerd.adjudication import Pair, adjudicate, agreement, answered_pairs, assign, cohen_kappa
from hf_mlm.construction.mmnerd.records import Record, Span, spans_of
from hf_mlm.construction.mmnerd.sources import words_of
from hf_mlm.construction.mmnerd.tasks import Answers
from hf_mlm.data.mmnerd.schemes import TAGS, repair


metrics = pytest.importorskip("sklearn.metrics")
ROWS = st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=30)


def theirs(first: list[str], second: list[str]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return metrics.cohen_kappa_score(first, second)


@settings(max_examples=25)
@given(ROWS)
def test_kappa(rows: list[tuple[str, str]]) -> None:
    first, second = ([row[side] for row in rows] for side in (0, 1))
    assert cohen_kappa(first, second) == pytest.approx(theirs(first, second), abs=1e-12, nan_ok=True)


@settings(max_examples=25)
@given(ROWS)
def test_agreement(rows: list[tuple[str, str]]) -> None:
    columns = [repair([row[side] for row in rows]) for side in (0, 1)]
    text = " ".join(["word"] * len(rows))
    words = words_of(text)
    one = Record("x", text, words, (), "en", None, "x", "web", "")
    found = agreement([Pair(one, *(spans_of(words, column) for column in columns))])
    assert found.kappa == pytest.approx(theirs(*columns), abs=1e-12, nan_ok=True)
    inside = [labels for labels in zip(*columns, strict=True) if labels != ("O", "O")]
    if inside:
        assert found.kappa_entities == pytest.approx(theirs(*zip(*inside, strict=True)), abs=1e-12, nan_ok=True)
        seqeval = pytest.importorskip("seqeval.metrics")
        assert found.span_f1 == pytest.approx(seqeval.f1_score([columns[0]], [columns[1]]))
    else:
        assert math.isnan(found.kappa_entities) and found.span_f1 == 1 and found.equal_sentences == 1


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="2 labels and 1"):
        cohen_kappa(["O", "O"], ["O"])
    assert math.isnan(cohen_kappa([], []))


ROME, NAME = (Span(0, 4, "LOC"),), (Span(0, 4, "PER"),)


def test_everybody_works_with_everybody() -> None:
    assignment = assign([f"s{number}" for number in range(60)], ["a", "b", "c", "d"], seed=3)
    assert set(Counter(assignment.values()).values()) == {10} and len(set(assignment.values())) == 6
    assert assignment == assign([f"s{number}" for number in range(60)], ["a", "b", "c", "d"], seed=3)
    with pytest.raises(ValueError, match="two people"):
        assign(["s"], ["a"])
    with pytest.raises(ValueError, match="none named twice"):
        assign(["s"], ["a", "a"])


def test_decisions(record) -> None:
    records = {f"web/en/{number}": record("Rome sleeps", id=f"web/en/{number}") for number in range(5)}
    assignment = dict.fromkeys(records, ("anna", "ben"))
    ids = list(records)
    anna = Answers({ids[0]: ROME, ids[1]: ROME, ids[2]: ROME, ids[3]: ROME, ids[4]: ROME})
    ben = Answers({ids[0]: ROME, ids[1]: NAME, ids[2]: NAME, ids[3]: ROME})
    inspector = Answers({ids[2]: NAME, ids[3]: ()})
    decisions = adjudicate(records, assignment, {"anna": anna, "ben": ben}, inspector)
    assert [(one.how, one.final, one.overruled) for one in decisions] == [
        ("agreed", ROME, False),
        ("open", None, False),
        ("inspected", NAME, False),
        ("inspected", (), True),
        ("open", None, False),
    ]
    assert len(answered_pairs(records, decisions)) == 4
    assert decisions[1].to_row()["answers"]["ben"] == [{"start": 0, "end": 4, "label": "PER"}]
    with pytest.raises(ValueError, match="carl has answered 5 sentences that were not assigned"):
        adjudicate(records, assignment, {"carl": anna})
