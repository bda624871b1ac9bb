"""Kappa against scikit-learn's, span F1 against seqeval's."""

import math
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mlm.construction.mmnerd.agreement import Pair, agreement, cohen_kappa
from hf_mlm.construction.mmnerd.records import Record, spans_of
from hf_mlm.construction.mmnerd.words import words_of
from hf_mlm.data.formats.iob2 import TAGS, repair


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
