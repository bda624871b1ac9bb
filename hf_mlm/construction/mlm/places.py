"""Which items become entities: instances of the classes, on Earth, with an image and an article (MLM §3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from datatrove.data import Document

from hf_mlm.construction.mlm.items import EARTH
from hf_mlm.construction.stage import Block, ReadStage, Row, to_document


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
