"""Entity precision, recall and F1 for ``evaluate``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from hf_mlm.metrics import streaming
from hf_mlm.metrics.functional.entities import EntityTally
from hf_mlm.metrics.functional.spans import SCHEMES, Rule


_DESCRIPTION = "Precision, recall and F1 of entities, equal to seqeval's, by type and by group; keeps counts only."
_RULES = [Rule(scheme, suffix) for scheme in (None, *SCHEMES) for suffix in (False, True)]
_INPUTS = """
Args:
    predictions: sentences of tags: lists of strings such as "B-PER", or of ids (then load with label_names=[...]).
    references: the same for the same words; ids of -100 are left out.
    groups: optional; one for each sentence, such as its language.
    mode: "lenient" (seqeval's default, conlleval) or "strict".
    scheme: of the strict mode: "IOB1", "IOB2", "IOE1", "IOE2", "IOBES" or "BILOU"; found when omitted.
    average: "micro", "macro" or "weighted".
    zero_division: 0, 1 or "warn".
    suffix: whether the letter stands behind the type, as in "PER-B".
Returns:
    precision, recall, f1, support; by_type and by_group with the same four keys.
"""


class EntityF1(streaming.StreamingMetric):
    """Entity F1; memory does not grow with the sentences.

    Args:
        label_names: the tag of each id, where tags are given as ids.
        kwargs: of ``evaluate.Metric``.
    """

    optional_columns = ("groups",)

    def __init__(self, *args: Any, label_names: Sequence[str] | None = None, **kwargs: Any) -> None:
        self._label_names = label_names
        super().__init__(*args, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        tag = datasets.Value("string" if self._label_names is None else "int64")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({name: datasets.Sequence(tag) for name in ("predictions", "references")}),
        )

    def _reset(self) -> None:
        self._tally = EntityTally(self._label_names, _RULES)

    def _add(self, *, predictions: Any, references: Any, **columns: Any) -> None:
        self._tally.add(references, predictions, columns.get("groups"))

    def _pack(self) -> bytes:
        cells = [
            [*rule, group, name, counts.tolist()]
            for rule, table in self._tally.counts.items()
            for (group, name), counts in table.items()
        ]
        odd = [[*rule, tag] for rule, tag in self._tally.odd.items()]
        return json.dumps({"groups": list(self._tally.groups), "cells": cells, "odd": odd}).encode()

    def _merge(self, state: bytes) -> None:
        packed = json.loads(state)
        other = EntityTally(self._label_names, _RULES)
        for group in packed["groups"]:
            other.groups[group]
        for scheme, suffix, group, name, counts in packed["cells"]:
            other.counts[Rule(scheme, suffix)][group, name] = np.array(counts)
        for scheme, suffix, tag in packed["odd"]:
            other.odd[Rule(scheme, suffix)] = tag
        self._tally.merge(other)

    def _report(self, **options: Any) -> dict[str, Any]:
        return self._tally.report(**options)
