"""Sentences with entities as offsets in their text: the master format, of which CoNLL is an export."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from hf_mlm.data.mmnerd.schemes import TYPES, entities
from hf_mlm.data.text_file import read_text
from hf_mlm.files import write_text


class Span(NamedTuple):
    """An entity: characters ``start … end − 1`` of a text."""

    start: int
    end: int
    label: str


_OFFSETS = pa.list_(pa.struct({"start": pa.int64(), "end": pa.int64()}))
_SPANS = pa.list_(pa.struct({"start": pa.int64(), "end": pa.int64(), "label": pa.string()}))
RECORD_SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "text": pa.string(),
        "words": _OFFSETS,
        "spans": _SPANS,
        "language": pa.string(),
        "image_id": pa.string(),
        "group_id": pa.string(),
        "source": pa.string(),
        "licence": pa.string(),
        "image_url": pa.string(),
    }
)


@dataclass(frozen=True)
class Record:
    """A sentence.

    Attributes:
        id: different for every sentence of a build.
        text: as it was found, without odd white space.
        words: first character and the one after the last, of each word.
        spans: entities in order, of types PER, LOC, ORG and MISC, each of whole words, none within another.
        language: of the text.
        image_id: of the image; None without.
        group_id: unit of the split: the image, which translations share.
        source: name of the source.
        licence: a note on what may be done with the text and the image.
        image_url: address of the image; None where the source does not tell.

    Raises:
        ValueError: if words or spans break these rules.
    """

    id: str
    text: str
    words: tuple[tuple[int, int], ...]
    spans: tuple[Span, ...]
    language: str
    image_id: str | None
    group_id: str
    source: str
    licence: str
    image_url: str | None = None

    def __post_init__(self) -> None:
        _check_words(self)
        _check_spans(self)

    @property
    def tokens(self) -> list[str]:
        """The words."""
        return [self.text[start:end] for start, end in self.words]

    @property
    def tags(self) -> list[str]:
        """An IOB2 label for each word."""
        return tags_of(self.words, self.spans)

    def with_spans(self, spans: Iterable[Span]) -> Record:
        """The same sentence with other entities, sorted."""
        return replace(self, spans=tuple(sorted(spans)))

    def to_row(self) -> dict[str, Any]:
        """A row of ``RECORD_SCHEMA``."""
        words = [{"start": start, "end": end} for start, end in self.words]
        return vars(self) | {"words": words, "spans": [span._asdict() for span in self.spans]}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Record:
        """The record of a row, whose other columns are ignored."""
        values = {name: row[name] for name in RECORD_SCHEMA.names if name in row}
        words = tuple((offset["start"], offset["end"]) for offset in row["words"])
        return cls(**values | {"words": words, "spans": tuple(Span(**span) for span in row["spans"])})


def tags_of(words: Sequence[tuple[int, int]], spans: Iterable[Span]) -> list[str]:
    """IOB2 labels of words, for spans of whole words.

    Example:
        >>> tags_of([(0, 3), (4, 8), (9, 11)], [Span(0, 8, "LOC")])
        ['B-LOC', 'I-LOC', 'O']
    """
    tags = ["O"] * len(words)
    for span in spans:
        inside = [number for number, (start, _) in enumerate(words) if span.start <= start < span.end]
        for number in inside:
            tags[number] = f"{'B' if number == inside[0] else 'I'}-{span.label}"
    return tags


def spans_of(words: Sequence[tuple[int, int]], tags: Sequence[str]) -> tuple[Span, ...]:
    """Spans of the IOB2 labels of words.

    Example:
        >>> spans_of([(0, 3), (4, 8), (9, 11)], ["B-LOC", "I-LOC", "O"])
        (Span(start=0, end=8, label='LOC'),)
    """
    return tuple(Span(words[item.start][0], words[item.stop - 1][1], item.type) for item in entities(tags))


class Snapped(NamedTuple):
    """Spans of whole words, and the numbers of those that were widened and of those that were lost."""

    spans: tuple[Span, ...]
    moved: int
    lost: int


def snap(words: Sequence[tuple[int, int]], spans: Iterable[Span]) -> Snapped:
    """Widen spans to the words that they touch; one without a word, or on words of a longer one, is lost.

    Example:
        >>> snap([(0, 3), (4, 8)], [Span(0, 2, "PER"), Span(0, 8, "LOC")])
        Snapped(spans=(Span(start=0, end=8, label='LOC'),), moved=0, lost=1)
    """
    kept: list[Span] = []
    moved = lost = 0
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):  # the longest first
        touched = [word for word in words if word[0] < span.end and span.start < word[1]]
        widened = Span(touched[0][0], touched[-1][1], span.label) if touched else None
        if widened is None or any(widened.start < other.end and other.start < widened.end for other in kept):
            lost += 1
            continue
        kept.append(widened)
        moved += widened != span
    return Snapped(tuple(sorted(kept)), moved, lost)


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write one JSON object a line; nobody sees the file half-written."""
    lines = [json.dumps(record.to_row(), ensure_ascii=False) + "\n" for record in records]
    write_text(path, "".join(lines))


def read_records(path: Path) -> Iterator[Record]:
    """Read the file of `write_records`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming file and line, if one is no record.
    """
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line:
            try:
                yield Record.from_row(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"Expected a sentence at {path}:{number}, found {error!r}; correct it.") from error


def _check_words(record: Record) -> None:
    position = 0
    for start, end in record.words:
        if not position <= start < end <= len(record.text):
            raise ValueError(
                f"Expected words in order within the {len(record.text)} characters of {record.id}, found one at "
                f"{start}–{end}."
            )
        position = end
    if not record.words:
        raise ValueError(f"Expected words in {record.id}, found none.")


def _check_spans(record: Record) -> None:
    starts, ends = {start for start, _ in record.words}, {end for _, end in record.words}
    position = 0
    for span in record.spans:
        if span.label not in TYPES:
            raise ValueError(f"Expected entity types {', '.join(TYPES)} in {record.id}, found {span.label!r}.")
        if span.start not in starts or span.end not in ends or not position <= span.start < span.end:
            raise ValueError(
                f"Expected entities of whole words that do not overlap in {record.id}, found one at "
                f"{span.start}–{span.end} ({record.text[span.start : span.end]!r})."
            )
        position = span.end


def draw(records: Sequence[Record], size: int, seed: int, purpose: str) -> list[Record]:
    """Draw sentences at random; of a larger draw, the first are those of a smaller.

    Args:
        records: to draw from.
        size: number; all, where there are fewer.
        seed: another seed, another draw.
        purpose: another purpose, another draw.
    """

    def position(record: Record) -> bytes:
        return hashlib.blake2b(f"{seed}:{purpose}:{record.id}".encode(), digest_size=16).digest()

    return sorted(records, key=position)[:size]
