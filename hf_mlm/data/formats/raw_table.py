"""Raw rows (texts and images) as Arrow tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from hf_mlm.data.formats.raw_json import LANGUAGES


ROWS_PER_TABLE = 128


def raw_schema(has_cells: bool) -> pa.Schema:
    """Arrow schema of raw rows.

    Args:
        has_cells: whether rows have a ``geo_cell``.
    """
    fields = {
        "entity_id": pa.string(),
        "label": pa.string(),
        "summaries": pa.struct(dict.fromkeys(LANGUAGES, pa.string())),
        "images": pa.list_(pa.struct({"bytes": pa.binary(), "path": pa.string()})),
        "classes": pa.list_(pa.string()),
        "latitude": pa.float64(),
        "longitude": pa.float64(),
        "country": pa.string(),
    }
    return pa.schema(fields | ({"geo_cell": pa.int64()} if has_cells else {}))


def raw_tables(rows: Iterable[dict[str, Any]], has_cells: bool) -> Iterator[pa.Table]:
    """Pack rows into tables of ``raw_schema(has_cells)``, a hundred or so at a time."""
    schema, remaining = raw_schema(has_cells), iter(rows)
    while part := list(islice(remaining, ROWS_PER_TABLE)):
        yield pa.Table.from_pylist(part, schema=schema)
