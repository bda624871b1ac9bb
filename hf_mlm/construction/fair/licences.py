"""Licences of single images, counted for the card and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq


UNSTATED = "not stated"


def images_by_licence(paths: Iterable[Path]) -> dict[str, int]:
    """How many images there are of each licence, most first.

    Args:
        paths: Parquet files with a row an image and its licence in the column ``licence``.
    """
    counts: Counter[str] = Counter()
    for path in paths:
        with pq.ParquetFile(path) as opened:
            for batch in opened.iter_batches(columns=["licence"]):
                counts.update(licence or UNSTATED for licence in batch.column(0).to_pylist())
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
