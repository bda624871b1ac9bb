"""Blocks that read the files of an edition, and divide them among tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from datatrove.data import Document

from hf_mlm.construction.mmnerd.edition import NEREdition
from hf_mlm.construction.stage import Block, ReadStage, to_document
from hf_mlm.files import sha256_of


class ReadSources(Block):
    """Reads the files of an edition.

    Args:
        edition: of the build.
    """

    name = "read sources"

    def __init__(self, edition: NEREdition) -> None:
        super().__init__()
        self.edition = edition

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give the sentences of all sources; whether entities are to be proposed, and into what to translate.

        Raises:
            ValueError: if two sources of one name and language have a sentence each with the same id.
        """
        seen: set[str] = set()
        for source in self.edition.sources:
            records = source.records(self.edition.seed, self.edition.placeholder, self.drop, self.note)
            self.ledger.inputs[f"{source.name}/{Path(source.path).name}"] = sha256_of(Path(source.path))
            for record in records:
                if record.id in seen:
                    raise ValueError(f"{source.path}: {record.id} is in another file of {source.name!r}; rename one.")
                seen.add(record.id)
                yield to_document(
                    record.to_row()
                    | {"proposed": source.kind == "captions", "translate_to": list(source.translate_to)}
                )


class ShareOf(ReadStage):
    """Reads a stage of one task, every task its share."""

    name = "share of stage"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, whole=True)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give every ``world_size``-th row."""
        for number, row in enumerate(self.rows()):
            if number % world_size == rank:
                yield to_document(row)
