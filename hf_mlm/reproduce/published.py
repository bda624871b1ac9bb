"""Values of the papers' tables, cell by cell, each with the place where it stands.

They are data, in ``published.yaml``: MLM is Armitage et al., CIKM 2020; 2M-NER is Wang et al., Applied Intelligence
2024. Shares of MLM are fractions, as printed; scores of 2M-NER are per cent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml


LANGUAGES = ("en", "fr", "es", "de")
DATASETS = ("all", *LANGUAGES)  # in the order of the paper's tables
CURVES = "mlm/authors_val_curves_mlm_irle_mtl.json"
PAPERS = {"mlm": "MLM (arXiv 2008.06376)", "2m-ner": "2M-NER (arXiv 2404.17122)"}
ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Figure:
    """A cell of a paper's table.

    Attributes:
        value: as printed; None where the printed value cannot be read.
        source: paper and table, or of what cells it is the sum.
        row: its row in the table, as `hf_mlm.reproduce.catalog` calls it.
        column: its column.
    """

    value: float | None
    source: str
    row: str
    column: str


def published(paper: str, table: str, row: str, column: str) -> Figure | None:
    """Look a cell up.

    Args:
        paper: ``"mlm"`` or ``"2m-ner"``.
        table: its number.
        row: of the table.
        column: of the table; of 2M-NER's Tables 5, 7, 8 and 9 a dataset for F1, or a dataset with ``PER``, ``LOC``,
            ``ORG``, ``MISC``, ``precision`` or ``recall``.

    Returns:
        The cell, its ``value`` None where it is unreadable; None if the paper has no such cell.

    Example:
        >>> published("mlm", "3", "irle, image → text, multitask", "medR").value
        19.9
        >>> published("2m-ner", "5", "UMT", "de LOC").value
        64.02
        >>> published("2m-ner", "9", "2M-NER", "en") is None  # the ablation is on all languages alone
        True
    """
    return _cells().get((paper, table, row, column))


def figures() -> Iterator[Figure]:
    """Every cell that can be read."""
    return (figure for figure in _cells().values() if figure.value is not None)


@cache
def _cells() -> dict[tuple[str, str, str, str], Figure]:
    """All cells by paper, table, row and column."""
    papers = yaml.safe_load(Path(__file__).with_name("published.yaml").read_text(encoding="utf-8"))
    elsewhere = papers.pop(ELSEWHERE)
    cells = {
        (paper, number, row, column): Figure(value, f"{PAPERS[paper]}, Table {number}", row, column)
        for paper, tables in papers.items()
        for number, table in tables.items()
        for row, values in table["rows"].items()
        for column, value in zip(table["columns"], values, strict=True)
    }
    for place, found in elsewhere.items():
        for paper, number, row, column, value in found:
            source = PAPERS[paper] + place.removeprefix(paper)
            cells[paper, number, row, column] = Figure(value, source, row, column)
    return cells


def validation_curves(shared_data: str | os.PathLike[str] | None = None) -> dict[str, list[float]] | None:
    """Read the authors' validation curves of the multitask system on MLM-irle, one value an epoch.

    None where neither the folder nor that in ``HF_MLM_SHARED_DATA`` has them.
    """
    folder = shared_data or os.environ.get("HF_MLM_SHARED_DATA")
    path = Path(folder or "", CURVES)
    return json.loads(path.read_text(encoding="utf-8")) if folder and path.is_file() else None
