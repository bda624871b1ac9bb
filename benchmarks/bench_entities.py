"""Entity scoring against seqeval's report, which gives the same figures by type and in all."""

from __future__ import annotations

import random
import sys
import warnings
from typing import Any

import numpy as np
from harness import Report
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from hf_mlm.metrics.functional.entities import entity_report


SENTENCES = int(sys.argv[1]) if len(sys.argv) > 1 else 21_455  # as many as MMNERD's English part, as long on average
NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC"]


def corpus() -> tuple[list[list[str]], list[list[str]]]:
    """References with an entity in about every seventh word, and predictions with 5 % of tags drawn anew."""
    generator = random.Random(0)
    references = []
    for _ in range(SENTENCES):
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


def main() -> None:
    warnings.simplefilter("ignore")
    references, predictions = corpus()
    gold, found = as_array(references), as_array(predictions)
    words = sum(map(len, references))
    report = Report(f"Entity scoring, {SENTENCES:,} sentences, {words:,} words", ("numpy", "seqeval"))
    for mode, options, target in (("lenient", {}, 30), ("strict", {"mode": "strict", "scheme": IOB2}, 15)):

        def peer(options: dict[str, Any] = options) -> dict[str, Any]:
            return classification_report(references, predictions, output_dict=True, zero_division=0, **options)

        inputs = (("ids", (gold, found, NAMES, mode), 100), ("strings", (references, predictions, None, mode), target))
        for kind, arguments, bar in inputs:
            report.compare(
                f"{mode}, from {kind}",
                lambda arguments=arguments: entity_report(*arguments),
                peer,
                peer_name="seqeval classification_report",
                equal=equal,
                items=words,
                repeats=5,
                target=f"≥ {bar}×",
            )
    report.show()


if __name__ == "__main__":
    main()
