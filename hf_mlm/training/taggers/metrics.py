"""Entity metrics of a tagger, counted batch by batch; labels are decoded on the device, and logits never leave it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import EvalPrediction

from hf_mlm.metrics.functional.entities import EntityTally, entity_counts
from hf_mlm.metrics.functional.spans import IGNORED, LENIENT, STRICT, rules_of


GROUPINGS = ("language", "source")
SCORES = ("precision", "recall", "f1")


class EntityMetrics:
    """Entity precision, recall and F1 of a split, for a Trainer with ``batch_eval_metrics=True`` or without.

    Metrics are ``precision``, ``recall``, ``f1`` (lenient, seqeval's default and the published code's) and
    ``strict_f1``, by the scheme of the labels; ``PER_f1`` and so on by type; ``en_f1`` by language and ``twitter_f1``
    by source, where rows say them, and where there are several, ``en_PER_f1`` by type within each; every F1 with its
    precision and recall. A name that is taken is preceded by what it names: ``type_strict_f1``, ``language_en_f1``.
    After an evaluation ``counts`` (sentences, 3) holds each sentence's true positives, predicted and gold entities,
    which a bootstrap resamples, and ``ids`` the sentences.

    A sentence that is longer than the encoder is several rows; these are put together before they are counted.
    ``kept`` then holds, if ``keep``, gold and predicted label ids of each sentence, by the index of its first row.

    Args:
        label_names: of the ids.
        rows: the split, encoded, in its order; its ``language`` and ``source`` are the groups, and rows of the same
            ``id`` one sentence.
        keep: whether labels stay in memory, for an analysis of errors.

    Example:
        >>> metrics = EntityMetrics(["O", "B-PER", "I-PER"])
        >>> tags = np.array([[-100, 1, 2, -100]])
        >>> metrics(EvalPrediction(tags, tags))["PER_f1"]
        1.0
    """

    def __init__(self, label_names: Sequence[str], rows: Dataset | None = None, keep: bool = False):
        self.label_names, self.keep = list(label_names), keep
        columns = [] if rows is None else rows.column_names
        self.row_ids: list[Any] | None = rows["id"][:] if rows is not None and "id" in columns else None
        self.groups: dict[str, list[Any]] = {name: rows[name][:] for name in GROUPINGS if rows and name in columns}
        self.parts = {} if rows is None else parts_of_sentences(rows)
        self.counts, self.ids = np.zeros((0, 3), np.int64), np.zeros(0)
        self.kept: dict[int, tuple[list[int], list[int]]] = {}
        fitting = (rule for rule in rules_of("strict") if all(map(rule.is_regular, self.label_names)))
        self.strict = next(fitting, STRICT)
        self._begin()

    def __call__(self, prediction: EvalPrediction, compute_result: bool = True) -> dict[str, float]:
        """Count a batch, and report on all of them when it is the last."""
        found = prediction.predictions
        found = found[0] if isinstance(found, tuple) else found
        references, predictions = (np.asarray(_on_cpu(side)) for side in (prediction.label_ids, found))
        indices = np.arange(self.seen, self.seen + len(references))  # (batch,), the rows
        self.seen += len(references)
        whole = np.array([index not in self.parts for index in indices], dtype=bool)
        for row in np.flatnonzero(~whole):
            scored = references[row] != IGNORED
            self.waiting[int(indices[row])] = references[row][scored].tolist(), predictions[row][scored].tolist()
        self._count(indices[whole], references[whole], predictions[whole])
        return self._report() if compute_result else {}

    def _begin(self) -> None:
        self.seen = 0
        self.waiting: dict[int, tuple[list[int], list[int]]] = {}  # rows that are parts of sentences
        self.counted: list[tuple[np.ndarray, np.ndarray]] = []  # rows, and (rows, 3) their counts
        self.tallies = {name: EntityTally(self.label_names, (LENIENT, self.strict)) for name in ("", *self.groups)}

    def _count(self, indices: Any, references: Any, predictions: Any) -> None:
        if len(indices) == 0:
            return
        self.counted.append((np.asarray(indices), entity_counts(references, predictions, self.label_names)))
        for index, gold, found in zip(indices, references, predictions, strict=True) if self.keep else ():
            scored = np.asarray(gold) != IGNORED
            self.kept[int(index)] = np.asarray(gold)[scored].tolist(), np.asarray(found)[scored].tolist()
        for name, tally in self.tallies.items():
            groups = [self.groups[name][index] for index in indices] if name else None
            tally.add(references, predictions, groups)

    def _join(self) -> None:
        """Put the rows of long sentences together, in the order of their words, and count them."""
        sentences: dict[Any, list[int]] = {}
        for index in sorted(self.waiting, key=self.parts.__getitem__):
            sentences.setdefault(self.parts[index][0], []).append(index)
        joined = [
            [
                list(chain.from_iterable(self.waiting[index][side] for index in indices))
                for indices in sentences.values()
            ]
            for side in (0, 1)
        ]
        self._count([indices[0] for indices in sentences.values()], *joined)

    def _report(self) -> dict[str, float]:
        self._join()
        whole, strict = self.tallies[""].report(), self.tallies[""].report("strict", self.strict.scheme)
        results = {name: whole[name] for name in SCORES} | {f"strict_{name}": strict[name] for name in SCORES}
        groups = [("type", whole["by_type"])]
        groups += [(name, self.tallies[name].report("lenient")["by_group"]) for name in self.groups]
        for name in self.groups:
            crossed = self.tallies[name].by_group_and_type()
            for group, types in crossed.items() if len(crossed) > 1 else ():
                groups.append((name, {f"{group}_{kind}": row for kind, row in types.items()}))
        for grouping, group in groups:
            for name, scores in group.items():
                own = f"{grouping}_{name}" if f"{name}_f1" in results else name
                results |= {f"{own}_{score}": scores[score] for score in SCORES}
        results["entities"] = whole["support"]
        indices, self.counts = (np.concatenate(side) for side in zip(*self.counted, strict=True))
        self.ids = indices if self.row_ids is None else np.array([self.row_ids[index] for index in indices])
        self._begin()
        return results


def parts_of_sentences(rows: Dataset) -> dict[int, tuple[Any, int]]:
    """Find the rows that are but a part of their sentence.

    Args:
        rows: encoded; the parts of a sentence have its ``id``.

    Returns:
        Of each such row its sentence's id, and its first word in it.
    """
    if not {"id", "labels", "word_ids"} <= set(rows.column_names):
        return {}
    ids, numbers, counts = np.unique(rows["id"][:], return_inverse=True, return_counts=True)
    parts = {}
    for index in np.flatnonzero(counts[numbers] > 1).tolist():
        row = rows[index]
        words = [word for word, label in zip(row["word_ids"], row["labels"], strict=True) if label != IGNORED]
        parts[index] = str(ids[numbers[index]]), min(words, default=0)
    return parts


def keep_predictions(outputs: Any, labels: Any = None) -> Any:
    """Keep the decoded labels, which come last, alone: a Trainer's ``preprocess_logits_for_metrics``."""
    return outputs[-1] if isinstance(outputs, tuple) else outputs


def _on_cpu(values: Any) -> Any:
    return values.cpu() if hasattr(values, "cpu") else values
