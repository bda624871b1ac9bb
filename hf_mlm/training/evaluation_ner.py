"""Entity metrics of a tagger, counted batch by batch; labels are decoded on the device, and logits never leave it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import EvalPrediction

from hf_mlm.metrics.functional.entities import EntityTally, entity_counts


GROUPINGS = ("language", "source")
SCORES = ("precision", "recall", "f1")


class EntityMetrics:
    """Entity precision, recall and F1 of a split, for a Trainer with ``batch_eval_metrics=True`` or without.

    Metrics are ``precision``, ``recall``, ``f1`` (lenient, seqeval's default and the published code's) and
    ``strict_f1``; ``PER_f1`` and so on by type; ``en_f1`` by language and ``twitter_f1`` by source, where rows say
    them, each with its precision and recall. ``counts`` holds, after an evaluation, what a bootstrap resamples.

    A sentence that is longer than the encoder is several rows, and an entity across their border counts as two.

    Args:
        label_names: of the ids.
        rows: the split, in its order; its ``language`` and ``source`` are the groups.

    Example:
        >>> metrics = EntityMetrics(["O", "B-PER", "I-PER"])
        >>> tags = np.array([[-100, 1, 2, -100]])
        >>> metrics(EvalPrediction(tags, tags))["PER_f1"]
        1.0
    """

    def __init__(self, label_names: Sequence[str], rows: Dataset | None = None):
        self.label_names = list(label_names)
        columns = [] if rows is None else [name for name in GROUPINGS if name in rows.column_names]
        self.groups: dict[str, list[Any]] = {} if rows is None else {name: rows[name][:] for name in columns}
        self.counts = np.zeros((0, 3), np.int64)  # (rows, 3) true positives, predicted, gold
        self._begin()

    def __call__(self, prediction: EvalPrediction, compute_result: bool = True) -> dict[str, float]:
        """Count a batch, and report on all of them when it is the last."""
        found = prediction.predictions
        found = found[0] if isinstance(found, tuple) else found
        references, predictions = (np.asarray(_on_cpu(side)) for side in (prediction.label_ids, found))
        place = slice(self.seen, self.seen + len(references))
        self.seen += len(references)
        self.batches.append(entity_counts(references, predictions, self.label_names))
        for name, tally in self.tallies.items():
            tally.add(references, predictions, self.groups[name][place] if name else None)
        return self._report() if compute_result else {}

    def _begin(self) -> None:
        self.seen = 0
        self.batches: list[np.ndarray] = []
        self.tallies = {name: EntityTally(self.label_names) for name in ("", *self.groups)}

    def _report(self) -> dict[str, float]:
        whole = self.tallies[""].report("lenient")
        figures = {name: whole[name] for name in SCORES}
        figures |= {
            f"strict_{name}": value for name, value in self.tallies[""].report("strict").items() if name in SCORES
        }
        groups = [whole["by_type"], *(self.tallies[name].report("lenient")["by_group"] for name in self.groups)]
        for group in groups:
            figures |= {f"{name}_{score}": scores[score] for name, scores in group.items() for score in SCORES}
        figures["entities"] = whole["support"]
        self.counts = np.concatenate(self.batches)
        self._begin()
        return figures


def keep_predictions(outputs: Any, labels: Any = None) -> Any:
    """Keep the decoded labels alone: a Trainer's ``preprocess_logits_for_metrics``.

    Args:
        outputs: fields of a tagger's output after the loss, ``predictions`` last.
        labels: not used.
    """
    return outputs[-1] if isinstance(outputs, tuple) else outputs


def _on_cpu(values: Any) -> Any:
    return values.cpu() if hasattr(values, "cpu") else values
