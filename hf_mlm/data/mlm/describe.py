"""Numbers of entities by country, continent, language and class (MLM paper, Figure 2 and Table 2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from hf_mlm.world.nearest import continents, country_codes, nearest_settlements
from hf_mlm.world.places import fold


UNKNOWN = "unknown"
_ROWS = 4096  # read at a time


@dataclass
class EntityCounts:
    """Numbers of entities.

    Attributes:
        entities: in all.
        images: of all entities.
        located: entities with coordinates.
        splits: entities by split.
        countries: entities by ISO 3166 alpha-2 code: that of the row, else that of the nearest settlement of GeoNames.
        continents: entities by continent.
        languages: texts by language.
        classes: entities by class.
    """

    entities: int = 0
    images: int = 0
    located: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    countries: Counter[str] = field(default_factory=Counter)
    continents: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """Give all numbers, the largest first."""
        return {
            name: dict(value.most_common()) if isinstance(value, Counter) else value
            for name, value in vars(self).items()
        }


def count_entities(dataset: Mapping[str, Dataset]) -> EntityCounts:
    """Count the entities of a dataset; images are not decoded.

    Args:
        dataset: rows of ``mlm`` by split, raw, of an archive or of features.

    Raises:
        ImportError: if positions are to be turned into countries without the extra demo.

    Example:
        >>> rows = Dataset.from_dict({"country": ["France"], "summaries": [{"en": "Paris.", "de": None}]})
        >>> counts = count_entities({"train": rows})
        >>> counts.countries, counts.continents, counts.languages
        (Counter({'FR': 1}), Counter({'Europe': 1}), Counter({'en': 1}))
    """
    counts = EntityCounts()
    for split, rows in dataset.items():
        counts.splits[split] = len(rows)
        counts.entities += len(rows)
        undecoded = rows.with_format("arrow")
        for start in range(0, len(rows), _ROWS):
            _count(undecoded[start : start + _ROWS], counts)
    counts.continents.update(_continents(counts.countries))
    return counts


def _count(table: pa.Table, counts: EntityCounts) -> None:
    names = set(table.column_names)
    for name in {"images", "image_features"} & names:
        counts.images += pc.sum(pc.list_value_length(table[name])).as_py() or 0
    if "classes" in names:
        counts.classes.update(name for listed in table["classes"].to_pylist() for name in set(listed or ()))
    if "summary_languages" in names:
        counts.languages.update(name for listed in table["summary_languages"].to_pylist() for name in listed or ())
    for summaries in table["summaries"].to_pylist() if "summaries" in names else ():
        if isinstance(summaries, dict):
            counts.languages.update(name for name, text in summaries.items() if text)
        else:
            counts.languages.update(text["language"] for text in summaries)
    positions = {name: table[name].to_numpy() for name in ("latitude", "longitude") if name in names}
    known = np.isfinite(positions["latitude"].astype(float)) if len(positions) == 2 else np.zeros(len(table), bool)
    counts.located += int(known.sum())
    named = table["country"].to_pylist() if "country" in names else [None] * len(table)
    counts.countries.update(_countries(named, known, positions))


def _countries(named: list[str | None], known: Any, positions: Mapping[str, Any]) -> list[str]:
    """Code of each row's country."""
    codes = country_codes() if any(named) else {}
    found = [codes.get(fold(name)) if name else None for name in named]
    missing = [row for row, code in enumerate(found) if code is None and known[row]]
    if missing:
        settlements = nearest_settlements(positions["latitude"][missing], positions["longitude"][missing])
        for row, settlement in zip(missing, settlements, strict=True):
            found[row] = settlement.country_code
    return [code or UNKNOWN for code in found]


def _continents(countries: Counter[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    known = [code for code in countries if code != UNKNOWN]
    for code, continent in zip(known, continents(known) if known else [], strict=True):
        counts[continent] += countries[code]
    if countries[UNKNOWN]:
        counts[UNKNOWN] = countries[UNKNOWN]
    return counts
