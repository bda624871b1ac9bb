"""Which items become entities: instances of the classes, on Earth, with an image and an article (MLM §3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from datatrove.data import Document
from numpy.typing import NDArray

from hf_mlm.construction.mlm.build_config import Edition
from hf_mlm.construction.mlm.items import EARTH
from hf_mlm.construction.stage import Block, ReadStage, Row, to_document
from hf_mlm.data.splits import SPLITS, hash_split
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.geo.quotas import sample_by_quota


def place_schema(languages: Sequence[str]) -> pa.Schema:
    """Arrow schema of places: items with one position."""
    by_language = pa.struct(dict.fromkeys(languages, pa.string()))
    names = pa.list_(pa.string())
    return pa.schema(
        {
            "id": pa.string(),
            "labels": by_language,
            "classes": names,
            "countries": names,
            "latitude": pa.float64(),
            "longitude": pa.float64(),
            "images": names,
            "sitelinks": by_language,
        }
    )


class SelectPlaces(Block):
    """Keeps the items that are wanted, whatever source they come from, and says why the others go.

    Args:
        classes: folder of the stage with the classes.
    """

    name = "select places"

    def __init__(self, classes: Path) -> None:
        super().__init__()
        self.classes = classes

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give places, each with one position."""
        reader = ReadStage(self.classes, whole=True)
        reader.ledger = self.ledger
        wanted = {row["id"] for row in reader.rows()}
        for document in data or ():
            row = document.metadata
            reason = _defect(row, wanted)
            if reason:
                self.drop(reason)
                continue
            yield to_document(self._place(row))

    def _place(self, row: Row) -> Row:
        positions = sorted(map(_degrees, filter(_is_on_earth, row["positions"])))
        if len(positions) > 1:
            self.note("several coordinates, the first in order of latitude is taken")
        latitude, longitude = positions[0]
        kept = {name: row[name] for name in ("id", "labels", "classes", "countries", "images", "sitelinks")}
        return kept | {"latitude": latitude, "longitude": longitude}


def _defect(row: Row, wanted: set[str]) -> str | None:
    if not wanted.intersection(row["classes"]):
        return "no instance of the classes"
    if not row["positions"]:
        return "no coordinates"
    if not any(map(_is_on_earth, row["positions"])):
        return "off the earth"
    if not row["images"]:
        return "no image"
    return None if any(row["sitelinks"].values()) else "no article"


def _is_on_earth(position: Row) -> bool:
    return position["globe"] == EARTH and abs(position["latitude"]) <= 90 and abs(position["longitude"]) <= 180


def _degrees(position: Row) -> tuple[float, float]:
    return position["latitude"], position["longitude"]


CONFIGS = {"irle": "irle_cell", "irle-gr": "irle_gr_cell"}  # configs with cells, and their columns
SELECTION_SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "task": pa.int64(),
        "split": pa.string(),
        "country": pa.string(),
        **dict.fromkeys(CONFIGS.values(), pa.int64()),
    }
)


@dataclass(frozen=True)
class Folders:
    """Where the stages of a build lie."""

    root: Path

    def __getitem__(self, stage: str) -> Path:
        return self.root / stage

    def cells(self, config: str) -> Path:
        """File of the partition of a config; not there if the config is empty."""
        return self["selection"] / f"{config}-cells.json"


class Select(Block):
    """Decides about all entities together; one task.

    The order is that of MLM §3.3.5: entities without image or summary go before cells are made, and sparse cells go
    last, so that T_min holds in what is published. Config ``mlm`` keeps what has a summary.

    Args:
        folders: of the build.
        edition: what decides.
    """

    name = "select"

    def __init__(self, folders: Folders, edition: Edition) -> None:
        super().__init__()
        self.folders, self.edition = folders, edition

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give a row for each entity of config ``mlm``: its task, split, country and cells."""
        rows = list(self._entities())
        illustrated = np.flatnonzero([row.pop("illustrated") for row in rows])
        self.note("entities with image and summary", len(illustrated))
        sample = self._sample(rows, illustrated)
        cells = {"irle": self._cells("irle", rows, illustrated), "irle-gr": self._cells("irle-gr", rows, sample)}
        splits = hash_split([row["id"] for row in rows], self.edition.ratios, self.edition.seed)
        for position, (row, split) in enumerate(zip(rows, splits.tolist(), strict=True)):
            columns = {column: _or_none(cells[config][position]) for config, column in CONFIGS.items()}
            kept = {name: row[name] for name in ("id", "task", "country")}
            yield to_document(kept | {"split": SPLITS[split]} | columns)

    def _entities(self) -> Iterator[Row]:
        codes = {row["id"]: row["country_code"] for row in self._rows("names") if row["country_code"]}
        summarised = {row["id"] for row in self._rows("summaries", ["id"])}
        illustrated = {row["id"] for row in self._rows("images", ["id", "images.list.element.name"]) if row["images"]}
        seen: set[str] = set()
        columns = ["id", "latitude", "longitude", "countries"]
        for row, task in self._with_task("places", columns):
            if row["id"] in seen:
                self.drop("entity occurs twice")
            elif row["id"] in summarised:
                country = next((codes[item] for item in row["countries"] if item in codes), None)
                yield row | {"task": task, "country": country, "illustrated": row["id"] in illustrated}
            seen.add(row["id"])

    def _rows(self, stage: str, columns: Sequence[str] | None = None) -> Iterator[Row]:
        return (row for row, _ in self._with_task(stage, columns))

    def _with_task(self, stage: str, columns: Sequence[str] | None) -> Iterator[tuple[Row, int]]:
        reader = ReadStage(self.folders[stage], whole=True, columns=columns)
        reader.ledger = self.ledger
        yield from reader.rows_of_tasks()

    def _sample(self, rows: Sequence[Row], among: NDArray[np.intp]) -> NDArray[np.intp]:
        shares = self.edition.country_shares
        countries = [rows[position]["country"] for position in among]
        if not shares or not set(countries) & set(shares):
            return among[:0]
        sample = sample_by_quota(countries, self.edition.sample_size, shares, self.edition.seed)
        self.ledger.facts["sample"] = {"drawn": sample.drawn, "missing": sample.shortfalls}
        return among[sample.rows]

    def _cells(self, config: str, rows: Sequence[Row], among: NDArray[np.intp]) -> NDArray[np.int64]:
        """Cell of each row, -1 for none; the partition is saved."""
        cells = np.full(len(rows), -1)
        latitudes = [rows[position]["latitude"] for position in among]
        longitudes = [rows[position]["longitude"] for position in among]
        edition = self.edition
        path = self.folders.cells(config)
        try:
            partition = GeoCellPartition.fit(
                latitudes, longitudes, edition.max_entities, edition.min_entities, edition.rule
            )
        except ValueError as error:
            self.ledger.facts[f"{config}: no cells"] = str(error)
            path.unlink(missing_ok=True)
            return cells
        cells[among] = partition.assign(latitudes, longitudes)
        self.note(f"entities in too sparse cells ({config})", int((cells[among] < 0).sum()))
        self.ledger.facts[f"{config}: cells"] = partition.tokens
        path.parent.mkdir(parents=True, exist_ok=True)
        partition.save(path)
        return cells


def _or_none(cell: np.int64) -> int | None:
    return None if cell < 0 else int(cell)
