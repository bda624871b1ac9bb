"""Kappa against scikit-learn's, span F1 against seqeval's; decisions; audits and their interval."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mlm.construction.mmnerd.adjudication import (
    Pair,
    adjudicate,
    agreement,
    answered_pairs,
    assign,
    cohen_kappa,
    read_audit,
    wilson_interval,
    write_audit,
)
from hf_mlm.construction.mmnerd.records import Record, Span, spans_of, tags_of
from hf_mlm.construction.mmnerd.sources import words_of
from hf_mlm.construction.mmnerd.tasks import Answers
from hf_mlm.data.mmnerd.schemes import TAGS


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
    text = " ".join(["word"] * len(rows))
    words = words_of(text)
    columns = [tags_of(words, spans_of(words, [row[side] for row in rows])) for side in (0, 1)]
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
    with pytest.raises(ValueError, match="found 2 and 1"):
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
    with pytest.raises(ValueError, match="assigned to carl, found 5 others"):
        adjudicate(records, assignment, {"carl": anna})


@given(st.integers(1, 2000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilson_bounds_solve_their_equation(case: tuple[int, int]) -> None:
    right, total = case
    z = 1.959963984540054
    for bound in wilson_interval(right, total):  # |share - p| = z sqrt(p (1 - p) / n), or p at an end
        assert (right / total - bound) ** 2 == pytest.approx(z**2 * bound * (1 - bound) / total, abs=1e-9)


def test_the_papers_audit() -> None:
    low, high = wilson_interval(626, 631)
    assert (round(low, 3), round(high, 3)) == (0.982, 0.997)
    with pytest.raises(ValueError, match="5 of 4"):
        wilson_interval(5, 4)


def test_a_sheet(tmp_path: Path, record) -> None:
    records = [record(f'"Rome" and UNESCO {n}', ("Rome", "LOC"), ("UNESCO", "ORG"), id=f"w/en/{n}") for n in range(9)]
    path = tmp_path / "audit.tsv"
    write_audit(path, records, size=4)
    sheet = path.read_text().splitlines()
    assert len(sheet) == 1 + 8 and any("[UNESCO]" in line for line in sheet)
    with pytest.raises(ValueError, match="audit.tsv, found one"):
        write_audit(path, records)
    with pytest.raises(ValueError, match="Expected yes or no .*audit.tsv:2"):
        read_audit(path)
    path.write_text(
        "\n".join([sheet[0], *(line + verdict for line, verdict in zip(sheet[1:], ["yes"] * 7 + ["no"], strict=True))])
    )
    found = read_audit(path)
    assert (found.sentences, found.entities, found.right) == (4, 8, 7) and found.interval == wilson_interval(7, 8)
    path.write_text("a\tb\n")
    with pytest.raises(ValueError, match="Expected columns id"):
        read_audit(path)
