"""The block that has entities proposed in captions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from datatrove.data import Document

from hf_mlm.construction.batches import batched
from hf_mlm.construction.mmnerd.annotators import Annotator, open_annotator
from hf_mlm.construction.mmnerd.edition import NEREdition
from hf_mlm.construction.mmnerd.labels import load_label_map, mapped
from hf_mlm.construction.mmnerd.records import Record, Span, snap
from hf_mlm.construction.mmnerd.words import is_placeholder
from hf_mlm.construction.stage import Block, to_document


_AT_ONCE = 64  # sentences


class Propose(Block):
    """Has entities proposed in captions, and leaves out those with too few.

    Args:
        edition: of the build.
    """

    name = "propose"

    def __init__(self, edition: NEREdition) -> None:
        super().__init__()
        self.edition, self.label_map = edition, load_label_map(edition.label_map)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give sentences with their entities."""
        annotators: dict[str, Annotator] = {}
        for part in batched((document.metadata for document in data or ()), _AT_ONCE):
            for language in {row["language"] for row in part if row["proposed"]} - set(annotators):
                annotators[language] = open_annotator(self.edition.annotators[language])
                self.ledger.facts[f"annotator {language}"] = annotators[language].name
            finds = self._finds(part, annotators)
            for row in part:
                record = Record.from_row(row)
                if row["proposed"]:
                    record = self._with_proposals(record, finds[record.id])
                    if len(record.spans) < self.edition.min_entities:
                        self.drop(f"fewer than {self.edition.min_entities} entities proposed")
                        continue
                yield to_document(row | record.to_row())

    def _finds(self, rows: Sequence[dict[str, Any]], annotators: dict[str, Annotator]) -> dict[str, list[Span]]:
        finds: dict[str, list[Span]] = {}
        for language, annotator in annotators.items():
            own = [row for row in rows if row["proposed"] and row["language"] == language]
            spans = annotator([row["text"] for row in own])
            finds |= dict(zip((row["id"] for row in own), spans, strict=True))
        return finds

    def _with_proposals(self, record: Record, finds: Iterable[Span]) -> Record:
        named = [span._replace(label=kind) for span in finds if (kind := mapped(span.label, self.label_map))]
        kept = [span for span in named if not is_placeholder(record.text, span.start, span.end)]
        snapped = snap(record.words, kept)
        counts = {
            "proposal on a placeholder, left out": len(named) - len(kept),
            "proposal widened to whole words": snapped.moved,
            "proposal overlapping a longer one, left out": snapped.lost,
        }
        for what, count in counts.items():
            self.note(what, count)
        return record.with_spans(snapped.spans)
