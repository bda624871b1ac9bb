"""A processor as small as can be, to which every word is the number of its letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from hf_mlm.models.base.processing import SentenceProcessor


class LetterCounter(SentenceProcessor):
    """Two words a row, so that longer sentences have several."""

    model_input_names = ["input_ids"]

    def windows(self, sentences: Sequence[Sequence[str]]) -> list[Any]:
        return [
            SimpleNamespace(sentence=number, start=start, words=words[start : start + 2])
            for number, words in enumerate(sentences)
            for start in range(0, len(words), 2)
        ]

    def rows(self, windows: Sequence[Any], labels: Sequence[Sequence[int]] | None = None) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{"input_ids": [len(word) for word in window.words]} for window in windows]
        for row, window in zip(rows, windows, strict=True) if labels is not None else ():
            row["labels"] = labels[window.sentence][window.start : window.start + 2]
        return rows

    def pad(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        return {name: np.array([(*row[name], 0)[:2] for row in rows]) for name in rows[0]}
