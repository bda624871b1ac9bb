"""Rows of sentences with entities as Arrow tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa


ROWS_PER_TABLE = 256
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "tokens": pa.list_(pa.string()),
        "ner_tags": pa.list_(pa.int64()),
        "language": pa.string(),
        "source": pa.string(),
        "image_id": pa.string(),
        "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    }
)


def ner_tables(rows: Iterable[dict[str, Any]]) -> Iterator[pa.Table]:
    """Pack rows into tables of ``SCHEMA``, some hundred at a time; ``ner_tags`` are ids of labels."""
    remaining = iter(rows)
    while part := list(islice(remaining, ROWS_PER_TABLE)):
        yield pa.Table.from_pylist(part, schema=SCHEMA)
