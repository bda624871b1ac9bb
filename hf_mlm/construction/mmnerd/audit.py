"""A random sample of the finished entities, judged one by one, and how sure the share of right ones is."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

from hf_mlm.construction.mmnerd.records import Record, draw
from hf_mlm.data.text_file import read_text
from hf_mlm.files import write_text


COLUMNS = ("id", "language", "sentence", "entity", "type", "right")
_VERDICTS = {"yes": True, "y": True, "1": True, "no": False, "n": False, "0": False}


class Interval(NamedTuple):
    """Bounds of a share."""

    low: float
    high: float


@dataclass(frozen=True)
class Audit:
    """What the judges said.

    The interval takes entities as independent; those of a sentence are not quite, so it is a little too narrow.

    Attributes:
        sentences: judged.
        entities: judged.
        right: judged right.
        interval: of the share of right ones, 95 %.
    """

    sentences: int
    entities: int
    right: int
    interval: Interval


def wilson_interval(right: int, total: int, confidence: float = 0.95) -> Interval:
    """Bounds of a share by Wilson's score (1927), which holds near 0 and 1, too.

    Args:
        right: how many of ``total``.
        total: 1 or more.
        confidence: in (0, 1).

    Raises:
        ValueError: if a value is out of range.

    Example:
        >>> [round(bound, 4) for bound in wilson_interval(626, 631)]  # 2M-NER's audit
        [0.9816, 0.9966]
    """
    if not 0 <= right <= total or total < 1 or not 0 < confidence < 1:
        raise ValueError(f"{right} of {total} at confidence {confidence}: give a share of 1 or more, and 0 to 1.")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = right / total, z**2 / total
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * (share * (1 - share) / total + weight / (4 * total)) ** 0.5
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def write_audit(path: Path, records: Sequence[Record], size: int = 300, seed: int = 0) -> None:
    """Draw sentences and write a sheet with a line for each of their entities, to be judged yes or no.

    Args:
        path: a file of tab-separated columns; ``right`` is left empty.
        records: finished sentences.
        size: how many sentences to draw; 300 in the 2M-NER paper.
        seed: of the draw.

    Raises:
        ValueError: if the file is there already, so that no verdict is lost.
    """
    if path.exists():
        raise ValueError(f"{path} is there already, maybe with verdicts; move it away first.")
    sheet = io.StringIO()
    writer = csv.writer(sheet, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in draw(records, size, seed, "audit"):
        for start, end, label in record.spans:
            marked = f"{record.text[:start]}[{record.text[start:end]}]{record.text[end:]}"
            writer.writerow([record.id, record.language, marked, record.text[start:end], label, ""])
    write_text(path, sheet.getvalue())


def read_audit(path: Path) -> Audit:
    """Read a sheet that was judged.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if its columns are others, a verdict is neither yes nor no, or there is none at all.
    """
    rows = list(csv.reader(io.StringIO(read_text(path)), delimiter="\t"))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise ValueError(f"{path} has to have the columns {', '.join(COLUMNS)}, as it was written.")
    verdicts = []
    for number, row in enumerate(rows[1:], 2):
        verdict = _VERDICTS.get(row[-1].strip().lower()) if len(row) == len(COLUMNS) else None
        if verdict is None:
            raise ValueError(f"{path}:{number}: judge the entity by yes or no in the last column.")
        verdicts.append(verdict)
    if not verdicts:
        raise ValueError(f"{path} holds no entity to judge.")
    right = sum(verdicts)
    sentences = len({row[0] for row in rows[1:]})
    return Audit(sentences, len(verdicts), right, wilson_interval(right, len(verdicts)))
