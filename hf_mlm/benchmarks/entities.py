"""Entity scoring against seqeval's report, which gives the same figures by type and in all."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from hf_mlm.benchmarks.harness import Report
from hf_mlm.metrics.functional.entities import entity_report


SENTENCES = 21_455  # as many as MMNERD's English part, as long on average
NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC"]


def corpus(sentences: int) -> tuple[list[list[str]], list[list[str]]]:
    """References with an entity in about every seventh word, and predictions with 5 % of tags drawn anew."""
    generator = random.Random(0)
    references = []
    for _ in range(sentences):
        words: list[str] = []
        length = round(generator.lognormvariate(2.7, 0.45))
        while len(words) < length:
            kind = generator.choice(("PER", "LOC", "ORG", "MISC"))
            entity = [f"B-{kind}"] + [f"I-{kind}"] * generator.choice((0, 0, 1, 1, 2))
            words += entity if generator.random() < 0.12 else ["O"]
        references.append(words)
    return references, [
        [tag if generator.random() > 0.05 else generator.choice(NAMES) for tag in s] for s in references
    ]


def as_array(sentences: list[list[str]]) -> np.ndarray:
    """Ids in one padded array, as a trainer hands predictions over."""
    ids = {name: i for i, name in enumerate(NAMES)}
    array = np.full((len(sentences), max(map(len, sentences))), -100)
    for row, words in zip(array, sentences, strict=True):
        row[: len(words)] = [ids[tag] for tag in words]
    return array


def equal(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Every figure of every type and of all together, without tolerance."""
    keys = ("precision", "recall", "f1", "support")
    rows = {**ours["by_type"], "micro avg": ours}
    return all([row[key] for key in keys] == list(theirs[name].values()) for name, row in rows.items())


def run_entities(report: Report, sizes: Sequence[int]) -> None:
    """Compare the figures of every type, from ids and from strings; then growth, and a copy of the ids as floor."""
    for size in sizes or [SENTENCES]:
        compare(report, size)
    first = (sizes or [SENTENCES])[0]
    report.grow("sentences, from ids", scoring, [max(1, first // 8) * factor for factor in (1, 2, 4, 8)])
    gold = as_array(corpus(first)[0])
    report.floor(f"lenient, from ids, {first:,} sentences", scoring(first), gold.copy, "a copy of the reference ids")


def compare(report: Report, size: int) -> None:
    """Compare all four ways to score so many sentences."""
    references, predictions = corpus(size)
    gold, found = as_array(references), as_array(predictions)
    words = sum(map(len, references))
    modes: tuple[tuple[str, dict[str, Any], int], ...]
    modes = (("lenient", {}, 30), ("strict", {"mode": "strict", "scheme": IOB2}, 15))
    for mode, options, target in modes:

        def peer(options: dict[str, Any] = options) -> dict[str, Any]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return classification_report(references, predictions, output_dict=True, zero_division=0, **options)

        inputs = (("ids", (gold, found, NAMES, mode), 100), ("strings", (references, predictions, None, mode), target))
        for kind, arguments, bar in inputs:
            report.compare(
                f"{mode}, from {kind}, {size:,} sentences",
                partial(entity_report, *arguments),
                peer,
                peer_name="seqeval classification_report",
                equal=equal,
                items=words,
                target=f"≥ {bar}×",
            )


def scoring(size: int) -> Callable[[], object]:
    """Lenient scoring of so many sentences from ids."""
    gold, found = map(as_array, corpus(size))
    return lambda: entity_report(gold, found, NAMES, "lenient")


hot_entities = partial(scoring, 2463)
