"""The block that translates sentences and carries their entities over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from datatrove.data import Document

from hf_mlm.construction.batches import batched
from hf_mlm.construction.mmnerd.alignment import EncoderAligner
from hf_mlm.construction.mmnerd.projection import project
from hf_mlm.construction.mmnerd.records import Record
from hf_mlm.construction.mmnerd.translation import TranslationSettings, Translator
from hf_mlm.construction.mmnerd.words import clean, words_of
from hf_mlm.construction.stage import Block, to_document


_AT_ONCE = 64  # sentences


class Translate(Block):
    """Translates sentences and carries their entities over; what could not be carried over is told in ``failures``.

    Args:
        settings: what translates.
        cache: folder of translations, kept when a task starts over.
    """

    name = "translate"

    def __init__(self, settings: TranslationSettings, cache: Path) -> None:
        super().__init__()
        self.settings, self.cache = settings, cache

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give the translations, not the originals."""
        translators: dict[str, Translator] = {}
        aligner: EncoderAligner | None = None
        asked = (document.metadata for document in data or () if document.metadata["translate_to"])
        for part in batched(asked, _AT_ONCE):
            if aligner is None:
                aligner = EncoderAligner(self.settings.aligner, self.settings.aligner_layer)
                self.ledger.facts["aligner"] = aligner.name
            for target in sorted({language for row in part for language in row["translate_to"]}):
                if target not in translators:
                    translators[target] = Translator(self.settings, target, self.cache)
                    self.ledger.facts[f"translator {target}"] = translators[target].name
                own = [Record.from_row(row) for row in part if target in row["translate_to"]]
                yield from self._translated(own, target, translators[target], aligner)

    def _translated(
        self, records: list[Record], target: str, translator: Translator, aligner: EncoderAligner
    ) -> Iterator[Document]:
        texts: dict[str, str | None] = {}
        for language in {record.language for record in records}:
            own = [record for record in records if record.language == language]
            texts |= dict(
                zip((record.id for record in own), translator([one.text for one in own], language), strict=True)
            )
        for record in records:
            text = clean(texts[record.id] or "").text
            if not words_of(text):
                self.drop("translation empty or cut off")
                continue
            yield self._carried_over(record, text, target, aligner)

    def _carried_over(self, record: Record, text: str, target: str, aligner: EncoderAligner) -> Document:
        words = words_of(text)
        pairs = aligner(record.tokens, [text[start:end] for start, end in words])
        projection = project(record.text, record.words, record.spans, words, pairs)
        for failure in projection.failures:
            self.note(f"entity not carried over: {failure.reason}")
        source, _, image = record.id.split("/", 2)
        row = record.to_row() | {"id": f"{source}/{target}/{image}", "text": text, "language": target}
        row |= {"words": [{"start": start, "end": end} for start, end in words]}
        row |= {"spans": [span._asdict() for span in projection.spans]}
        return to_document(row | {"failures": [failure._asdict() for failure in projection.failures]})
