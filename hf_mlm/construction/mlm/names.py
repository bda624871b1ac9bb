"""Labels of the classes and codes of the countries that places refer to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from datatrove.data import Document

from hf_mlm.construction.manifest import Ledger
from hf_mlm.construction.mlm.items import item_number
from hf_mlm.construction.stage import Block, ReadStage, Row, to_document


NAME_SCHEMA = pa.schema({"id": pa.string(), "label": pa.string(), "country_code": pa.string()})


class NamesOfDump(Block):
    """Looks up in the items of a dump what places refer to.

    Args:
        places: folder of the stage with the places.
        items: folder of the stage that read the dump.
        languages: the first with a label counts.
    """

    name = "names"

    def __init__(self, places: Path, items: Path, languages: Sequence[str]) -> None:
        super().__init__()
        self.places, self.items, self.languages = places, items, tuple(languages)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give a row for each class and country that has a label or a code."""
        wanted = referred(self.places, self.ledger)
        reader = ReadStage(self.items, whole=True, columns=["id", "labels", "superclasses", "country_code"])
        reader.ledger = self.ledger
        named: dict[str, Row] = {}
        for row in reader.rows():
            if row["id"] in wanted and (row["superclasses"] or row["country_code"]):
                named[row["id"]] = name_row(row["id"], row["labels"], row["country_code"], self.languages)
        for item in sorted(named, key=item_number):
            yield to_document(named[item])


def referred(places: Path, ledger: Ledger) -> set[str]:
    """The classes and countries that places refer to.

    Args:
        places: folder of the stage with the places.
        ledger: that records what was read.
    """
    reader = ReadStage(places, whole=True, columns=["classes", "countries"])
    reader.ledger = ledger
    return {item for row in reader.rows() for item in (*row["classes"], *row["countries"])}


def name_row(item: str, labels: dict[str, str | None], country_code: str | None, languages: Sequence[str]) -> Row:
    """A row of `NAME_SCHEMA` with the label of the first language that has one."""
    return {"id": item, "label": first_label(labels, languages), "country_code": country_code}


def first_label(labels: dict[str, str | None], languages: Sequence[str]) -> str | None:
    """The label in the first language that has one.

    Example:
        >>> first_label({"en": None, "de": "Köln"}, ["en", "de"])
        'Köln'
    """
    return next((label for language in languages if (label := labels.get(language))), None)
