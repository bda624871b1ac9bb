"""Items from Wikidata's JSON dumps: one pass that keeps places, classes and countries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from datatrove.data import Document

from hf_mlm.construction.mlm.dump_files import TruncatedError, plan_parts
from hf_mlm.construction.mlm.items import COORDINATES, COUNTRY_CODE, SUBCLASS_OF, parse_item
from hf_mlm.construction.stage import Block, Row, to_document


_MARKS = tuple(f'"{name}"'.encode() for name in (COORDINATES, SUBCLASS_OF, COUNTRY_CODE))


class ReadDump(Block):
    """Reads a task's parts of a dump and keeps the items that may be places, classes or countries.

    A line is parsed only if it names one of their properties: most of Wikidata is scholarly articles and people.

    Args:
        paths: files of the dump.
        languages: of labels and sitelinks.
        date: of the dump, for the manifest.
    """

    name = "read dump"

    def __init__(self, paths: Sequence[Path], languages: Sequence[str], date: str) -> None:
        super().__init__()
        self.paths, self.languages, self.date = list(paths), tuple(languages), date

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give items; a part whose rest is lost is noted with the number of lines that were read."""
        self.ledger.facts["dump_date"] = self.date
        for part in plan_parts(self.paths, world_size)[rank]:
            self.ledger.inputs[part.name] = part.sha256()
            lines = 0
            try:
                for line in part.lines():
                    lines += 1
                    if (row := self._item(line)) is not None:
                        yield to_document(row)
            except TruncatedError as error:
                self.note(f"damaged after {lines} lines: {error}")

    def _item(self, line: bytes) -> Row | None:
        text = line.strip().rstrip(b",")
        if text in (b"", b"[", b"]"):
            return None
        if not text.endswith(b"}"):
            self.drop("invalid JSON")
            return None
        if not any(mark in text for mark in _MARKS):
            # A redirect says where the item has gone and has no statements.
            self.drop("redirect" if b'"redirect"' in text[:80] else "neither place nor class")
            return None
        try:
            content = json.loads(text)
            if content.get("type", "item") != "item":  # dumps hold properties, too
                self.drop("neither place nor class")
                return None
            row = parse_item(content, self.languages)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            self.drop("invalid JSON")
            return None
        if not (row["superclasses"] or row["country_code"] or (row["positions"] and row["classes"])):
            self.drop("neither place nor class")
            return None
        return row
