"""The figures of the papers' tables, as data, each with the place where it stands.

MLM is Armitage et al., CIKM 2020 (arXiv 2008.06376); 2M-NER is Wang et al., Applied Intelligence 2024 (arXiv
2404.17122). Shares of MLM are fractions, as printed; scores of 2M-NER are percent. The figures are those that were
noted when the papers were studied; since then they were checked against each other, the authors' curves and the
released files, and not read again from the printed pages. A figure that was not noted is ``None`` in `published` and
"not checked" in tables, and never filled by a guess.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


LANGUAGES = ("en", "fr", "es", "de")
DATASETS = (*LANGUAGES, "all")
CURVES = "mlm/authors_val_curves_mlm_irle_mtl.json"

MLM, NER = "MLM (arXiv 2008.06376)", "2M-NER (arXiv 2404.17122)"


@dataclass(frozen=True)
class Figure:
    """A published figure.

    Attributes:
        value: the figure; None where it was not noted.
        source: paper and table.
        row: its row in the table, as `hf_mlm.reproduce.catalog` calls it.
        column: its column.
    """

    value: float | None
    source: str
    row: str
    column: str


Cells = dict[tuple[str, str], float | None]


def _rows(columns: Sequence[str], rows: Mapping[str, Sequence[float | None]]) -> Cells:
    return {(row, name): value for row, values in rows.items() for name, value in zip(columns, values, strict=True)}


_MLM_2 = _rows(
    ("entities", "images", "summaries", "classes"),
    {"irle": (218_681, 314_533, 462_328, 1_655), "irle-gr": (22_501, 31_621, 47_508, 452)},
)
_MLM_3 = _rows(
    ("medR", "R@1", "R@5", "R@10"),
    {
        "irle, image → text, single task": (43.1, 0.02, 0.07, 0.14),
        "irle, image → text, multitask": (19.9, 0.05, 0.20, 0.34),
        "irle, text → image, single task": (32.5, 0.04, 0.14, 0.24),
        "irle, text → image, multitask": (11.9, 0.11, 0.34, 0.47),
        "irle-gr, image → text, single task": (53.6, 0.01, 0.06, 0.13),
        "irle-gr, image → text, multitask": (27.9, 0.03, 0.14, 0.25),
        "irle-gr, text → image, single task": (43.2, 0.03, 0.10, 0.18),
        "irle-gr, text → image, multitask": (21.8, 0.07, 0.23, 0.35),
    },
)
_MLM_4 = _rows(
    ("F1", "precision", "recall"),
    {
        "irle, image, single task": (0.16, 0.17, 0.17),
        "irle, image, multitask": (0.15, 0.17, 0.16),
        "irle, text, single task": (0.59, 0.61, 0.60),
        "irle, text, multitask": (0.58, 0.61, 0.59),
        "irle-gr, image, single task": (0.28, 0.30, 0.28),
        "irle-gr, image, multitask": (0.25, 0.27, 0.26),
        "irle-gr, text, single task": (0.67, 0.70, 0.68),
        "irle-gr, text, multitask": (0.67, 0.69, 0.68),
    },
)
_NER_2 = _rows(
    ("sentences", "PER", "LOC", "ORG", "MISC", "entities"),
    {
        "en, train": (19_966, 3_340, 4_605, 7_342, 23_621, 38_908),
        "en, validation": (2_463, 419, 541, 927, 2_920, 4_807),
        "en, test": (2_533, 431, 504, 968, 3_013, 4_916),
        "en": (24_962, None, None, None, None, None),
        "fr": (5_982, None, None, None, None, None),
        "es": (5_982, None, None, None, None, None),
        "de": (5_982, None, None, None, None, None),
        "all, train": (34_326, None, None, None, None, None),
        "all, validation": (4_291, None, None, None, None, None),
        "all, test": (4_291, None, None, None, None, None),
        "all": (42_908, None, None, None, None, 89_019),
    },
)
_NER_5 = _rows(
    DATASETS,
    {
        "BiLSTM-CRF": (62.68, None, None, None, None),
        "HBiLSTM-CRF": (64.32, None, None, None, None),
        "BERT": (None,) * 5,
        "BERT-CRF": (69.64, 62.92, 71.06, 61.88, 69.26),
        "AdaCAN": (None,) * 5,
        "UMT": (None, None, None, None, 70.15),
        "UMGF": (None,) * 5,
        "MKGFormer": (None,) * 5,
        "2M-NER": (70.77, 64.73, 72.22, 63.80, 70.49),
    },
)
_NER_7 = _rows(
    DATASETS,
    {
        "AdaCAN, text": (None,) * 5,
        "UMT, text": (None,) * 5,
        "UMGF, text": (None,) * 5,
        "MKGFormer, text": (None,) * 5,
        "2M-NER, text": (69.99, 63.13, 71.21, 62.16, 69.75),
    },
)
_NER_9: Cells = {("2M-NER", dataset): _NER_5["2M-NER", dataset] for dataset in DATASETS}
_STANDS_IN = {("2m-ner", "9"): "5"}  # what is known of Table 9 is the row of the whole system, noted from Table 5

PUBLISHED: dict[tuple[str, str], Cells] = {
    ("mlm", "2"): _MLM_2,
    ("mlm", "3"): _MLM_3,
    ("mlm", "4"): _MLM_4,
    ("2m-ner", "2"): _NER_2,
    ("2m-ner", "5"): _NER_5,
    ("2m-ner", "6"): {},  # the paper tests each pair on its two languages: no figure noted
    ("2m-ner", "7"): _NER_7,
    ("2m-ner", "8"): {},  # the folds lie between 68.6 and 69.6 on all languages; no single figure noted
    ("2m-ner", "9"): _NER_9,
}


def published(paper: str, table: str, row: str, column: str) -> Figure | None:
    """Look a figure up.

    Args:
        paper: ``"mlm"`` or ``"2m-ner"``.
        table: its number.
        row: of the table.
        column: of the table.

    Returns:
        The figure, its ``value`` None where it was not noted; None if the paper has no such table.

    Example:
        >>> published("mlm", "3", "irle, image → text, multitask", "medR").value
        19.9
        >>> published("2m-ner", "8", "fold 1", "all").value is None
        True
    """
    if (paper, table) not in PUBLISHED:
        return None
    value = PUBLISHED[paper, table].get((row, column))
    place = table if value is None else _STANDS_IN.get((paper, table), table)
    return Figure(value, f"{MLM if paper == 'mlm' else NER}, Table {place}", row, column)


def figures() -> Iterator[Figure]:
    """Every figure that is known."""
    for (paper, table), cells in PUBLISHED.items():
        for (row, column), value in cells.items():
            found = published(paper, table, row, column)
            if found is not None and value is not None:
                yield found


def validation_curves(shared_data: str | os.PathLike[str] | None = None) -> dict[str, list[float]] | None:
    """Read the authors' validation curves of the multitask system on MLM-irle, epochs 1 to 100.

    Args:
        shared_data: folder with the file; the one in ``HF_MLM_SHARED_DATA`` when omitted.

    Returns:
        ``medR``, ``R@1``, ``R@5``, ``R@10`` of image → text, and ``img_F1`` … ``txt_acc``, one value an epoch; None
        where there is no such file.
    """
    folder = shared_data or os.environ.get("HF_MLM_SHARED_DATA")
    path = Path(folder or "", CURVES)
    return json.loads(path.read_text(encoding="utf-8")) if folder and path.is_file() else None
