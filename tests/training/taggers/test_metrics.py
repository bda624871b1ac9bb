from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2
from transformers import EvalPrediction

from hf_mlm.data.mmnerd.schemes import TAGS
from hf_mlm.training.taggers.metrics import EntityMetrics


sentences = st.lists(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=6), min_size=1)


def padded(rows: list[list[int]]) -> np.ndarray:
    width = max(map(len, rows))
    return np.array([[*row, *[-100] * (width - len(row))] for row in rows])


@given(sentences, st.integers(1, 4))
def test_batches_add_up_to_seqeval(pairs: list[list[tuple[int, int]]], batch_size: int) -> None:
    gold, found = ([[pair[side] for pair in row] for row in pairs] for side in (0, 1))
    languages = ["en" if number % 2 else "de" for number in range(len(pairs))]
    metrics = EntityMetrics(TAGS, Dataset.from_dict({"language": languages}))
    for start in range(0, len(pairs), batch_size):
        part = slice(start, start + batch_size)
        last = start + batch_size >= len(pairs)
        figures = metrics(EvalPrediction((padded(found[part]),), padded(gold[part])), compute_result=last)
    gold_tags, found_tags = ([[TAGS[tag] for tag in row] for row in rows] for rows in (gold, found))
    assert figures["f1"] == f1_score(gold_tags, found_tags, zero_division=0)
    assert figures["precision"] == precision_score(gold_tags, found_tags, zero_division=0)
    assert figures["strict_recall"] == recall_score(gold_tags, found_tags, mode="strict", scheme=IOB2, zero_division=0)
    german = [number for number, language in enumerate(languages) if language == "de"]
    part = [[rows[number] for number in german] for rows in (gold_tags, found_tags)]
    assert figures["de_f1"] == f1_score(*part, zero_division=0)
    hits, predicted, actual = metrics.counts.sum(axis=0)
    assert len(metrics.counts) == len(pairs)
    assert figures["f1"] == pytest.approx(2 * hits / (predicted + actual) if predicted + actual else 0)


@given(sentences)
def test_types_are_scored_within_each_language(pairs: list[list[tuple[int, int]]]) -> None:
    gold, found = ([[pair[side] for pair in row] for row in pairs] for side in (0, 1))
    languages = ["en" if number % 2 else "de" for number in range(len(pairs))]
    results = EntityMetrics(TAGS, Dataset.from_dict({"language": languages}))(
        EvalPrediction(padded(found), padded(gold))
    )
    if "en" not in languages:
        assert not any(name.startswith("de_PER") for name in results)  # one language alone is the whole
        return
    for kind in ("PER", "LOC", "ORG", "MISC"):
        sides = [
            [[TAGS[tag] if TAGS[tag].endswith(kind) else "O" for tag in row] for row in side[1::2]]
            for side in (gold, found)
        ]
        if any(tag != "O" for side in sides for row in side for tag in row):
            assert results[f"en_{kind}_f1"] == f1_score(*sides, zero_division=0)


def test_labels_are_kept_by_row_where_they_are_asked_for() -> None:
    gold, found = np.array([[-100, 1, 2], [0, -100, 3]]), np.array([[-100, 1, 1], [0, -100, 0]])
    metrics = EntityMetrics(TAGS, keep=True)
    metrics(EvalPrediction(found, gold))
    assert metrics.kept == {0: ([1, 2], [1, 1]), 1: ([0, 3], [0, 0])}
    metrics = EntityMetrics(TAGS)
    metrics(EvalPrediction(found, gold))
    assert metrics.kept == {}


def test_a_second_evaluation_starts_anew() -> None:
    metrics = EntityMetrics(TAGS)
    right = EvalPrediction(np.array([[1, 2]]), np.array([[1, 2]]))
    assert metrics(right) == metrics(right)


def test_parts_of_a_sentence_are_one_sentence_again() -> None:
    windows = {  # sentence "a" has five words in two rows, its entity across the border; "b" has one row
        "id": ["a", "b", "a"],
        "word_ids": [[-1, 2, 3, 4, -1], [-1, 0, -1], [-1, 0, 1, 2, -1]],
        "labels": [[-100, -100, 2, 0, -100], [-100, 3, -100], [-100, 0, 0, 1, -100]],
        "language": ["en", "de", "en"],
    }
    metrics = EntityMetrics(TAGS, Dataset.from_dict(windows))
    gold = padded(windows["labels"])
    first = metrics(EvalPrediction(gold[:2], gold[:2]), compute_result=False)
    figures = metrics(EvalPrediction(gold[2:], gold[2:]))
    assert first == {} and figures["entities"] == 2 and figures["f1"] == 1  # apart, there would be three
    assert dict(zip(metrics.ids.tolist(), metrics.counts.tolist(), strict=True)) == {"a": [1, 1, 1], "b": [1, 1, 1]}


def test_names_that_are_taken_tell_what_they_name() -> None:
    labels = ["O", "B-strict", "I-strict", "B-en", "I-en"]
    results = EntityMetrics(labels, Dataset.from_dict({"language": ["en", "de"]}))(
        EvalPrediction(np.array([[1, 3], [1, 0]]), np.array([[1, 0], [1, 3]]))
    )
    assert results["type_strict_f1"] == 1.0 and results["en_f1"] == 0.0
    assert results["strict_f1"] == results["f1"] == pytest.approx(2 / 3) == results["language_en_f1"]


def test_strict_metrics_follow_the_scheme_of_the_labels() -> None:
    labels = ["O", "B-X", "I-X", "E-X", "S-X"]
    results = EntityMetrics(labels)(EvalPrediction(np.array([[1, 3, 4], [4, 0, 1]]), np.array([[1, 3, 4], [4, 0, 0]])))
    assert (results["strict_f1"], results["f1"]) == (1.0, pytest.approx(6 / 7))
