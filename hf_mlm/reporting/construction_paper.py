"""The authors' own counts of MLM, read from the files that they published, where these are at hand."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


VARIABLE = "HF_MLM_SHARED_DATA"
_COUNTRIES, _TOTALS = "MLM_v1_coord_stats.txt", "mlm_stats.txt"
_VERSION = "MLM v1 dataset"


@dataclass(frozen=True)
class PublishedCounts:
    """What the authors say about MLM v1.

    Attributes:
        countries: ISO 3166 alpha-2 code -> entities.
        totals: "data points", "summaries" and "images" -> how many.
    """

    countries: Mapping[str, int]
    totals: Mapping[str, int]


def published_counts(folder: Path | None = None) -> PublishedCounts | None:
    """Read the authors' counts.

    Args:
        folder: that holds their files in its folder ``mlm``; the one in ``HF_MLM_SHARED_DATA`` when omitted.

    Returns:
        None if the files are not there.
    """
    root = folder or Path(os.environ.get(VARIABLE, ""))
    countries, totals = root / "mlm" / _COUNTRIES, root / "mlm" / _TOTALS
    if not (countries.is_file() and totals.is_file()):
        return None
    return PublishedCounts(_countries(countries.read_text("utf-8")), _totals(totals.read_text("utf-8")))


def _countries(text: str) -> dict[str, int]:
    """The second of four parts: countries, after the total and before the continents."""
    return {code: int(count) for code, count in re.findall(r"^([A-Z]{2}): (\d+)$", text.split("----------")[1], re.M)}


def _totals(text: str) -> dict[str, int]:
    part = next(part for part in text.split("\n\n") if part.startswith(_VERSION))
    return {name: int(count) for name, count in re.findall(r"Num of ([a-z ]+): (\d+)", part)}
