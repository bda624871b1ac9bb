"""Statistics in the shape of 2M-NER, Table 2, counted in both ways that its figures can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from hf_mlm.data.checks.rows import Row
from hf_mlm.data.checks.statistics import Statistics
from hf_mlm.data.formats.iob2 import TYPES


def table2(rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """Count sentences and entities by language and split.

    Args:
        rows: sentences.

    Returns:
        ``"en, train"`` … ``"en"`` … ``"all, train"`` … ``"all"``, the rows of the table, each with ``sentences``,
        ``mentions`` (every occurrence) and ``names`` (a name and type counting once a sentence, which comes closest to
        the paper's figures), these two by type and in all as ``entities``.
    """
    parts: dict[str, Statistics] = {}
    for row in rows:
        for language in (row.language, "all"):
            for name in (f"{language}, {row.split}", language):
                parts.setdefault(name, Statistics(language, row.split, "all")).add(row)
    ordered = sorted(parts, key=lambda name: name.startswith("all"))  # stable: the languages, then all together
    return {name: _line(parts[name]) for name in ordered}


def _line(part: Statistics) -> dict[str, Any]:
    return {"sentences": part.sentences, "mentions": _by_type(part.mentions), "names": _by_type(part.unique)}


def _by_type(counts: Counter[str]) -> dict[str, int]:
    return {kind: counts[kind] for kind in TYPES} | {"entities": counts.total()}
