"""Wikidata's JSON dumps, one item a line, divided into parts that tasks read on their own."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from datatrove.data import Document

from hf_mlm.construction.mlm.items import COORDINATES, COUNTRY_CODE, SUBCLASS_OF, parse_item
from hf_mlm.construction.stage import Block, Row, to_document


_BZ2_STREAM = re.compile(rb"BZh[1-9]1AY&SY")
_MAGIC = 10  # bytes of it
_BLOCK = 1 << 20


class TruncatedError(ValueError):
    """A part of a dump whose rest cannot be read."""


@dataclass(frozen=True)
class DumpPart:
    """The lines that begin in a range of a file's bytes.

    Attributes:
        path: ``….json``, ``….json.bz2`` or ``….json.gz``.
        start: first byte.
        end: byte after the last.
    """

    path: Path
    start: int
    end: int

    @property
    def name(self) -> str:
        """File and range, for the manifest."""
        return f"{self.path.name}[{self.start}:{self.end}]"

    def sha256(self) -> str:
        """Of the range's bytes, compressed as they are."""
        digest = hashlib.sha256()
        with self.path.open("rb") as opened:
            for block in _blocks(opened, self.start, self.end):
                digest.update(block)
        return digest.hexdigest()

    def lines(self) -> Iterator[bytes]:
        """The lines, without their ends.

        Raises:
            TruncatedError: if the compressed data ends early or is damaged; all lines before that have been given.
        """
        with self.path.open("rb") as opened:
            try:
                yield from _READERS.get(self.path.suffix, _plain_lines)(opened, self.start, self.end)
            except (EOFError, OSError, zlib.error) as error:
                raise TruncatedError(f"{self.name}: {error}") from error


def plan_parts(paths: Sequence[Path], tasks: int) -> list[list[DumpPart]]:
    """Divide dump files among tasks, in ranges of bytes where the compression allows.

    Plain files and bzip2 files of many streams, as Wikimedia publishes them, are cut anywhere; a gzip file is one
    part.

    Args:
        paths: the files.
        tasks: how many lists to make; some are empty where there are fewer parts.

    Raises:
        FileNotFoundError: if a file is missing, or there is none.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing or not paths:
        raise FileNotFoundError(
            f"there is no dump {missing[0] if missing else 'to read'}; give files such as latest-all.json.bz2."
        )
    sizes = {path: path.stat().st_size for path in paths}
    share = max(1, -(-sum(sizes.values()) // tasks))  # bytes a task
    parts = [part for path, size in sizes.items() for part in _parts(path, size, share)]
    return [parts[task::tasks] for task in range(tasks)]


def _parts(path: Path, size: int, share: int) -> list[DumpPart]:
    count = 1 if path.suffix == ".gz" else max(1, round(size / share))
    bounds = [size * number // count for number in range(count + 1)]
    return [DumpPart(path, *pair) for pair in zip(bounds, bounds[1:], strict=False)]


def _blocks(opened: BinaryIO, start: int, end: int | None) -> Iterator[bytes]:
    """The bytes of a range, a megabyte at a time; to the end of the file when ``end`` is None."""
    opened.seek(start)
    remaining = _BLOCK if end is None else end - start
    while remaining > 0 and (block := opened.read(min(_BLOCK, remaining))):
        remaining -= 0 if end is None else len(block)
        yield block


def _split(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of a text that comes in blocks."""
    tail = b""
    for block in blocks:
        *lines, tail = (tail + block).split(b"\n")
        yield from lines
    if tail:
        yield tail


def _plain_lines(opened: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    position = opened.seek(max(0, start - 1))
    if start:
        position += len(opened.readline())  # the end of the line that began before
    while position < end and (line := opened.readline()):
        position += len(line)
        yield line.rstrip(b"\n")


def _gzip_lines(opened: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=opened) as text:
        yield from _split(iter(lambda: text.read1(_BLOCK), b""))


def _bz2_lines(opened: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """The lines of the streams that begin in the range.

    Lines run across streams. So a range gives the line with which the next range begins, be it a whole one or the rest
    of one, and leaves its own first line to the range before.
    """
    first = _next_stream(opened, start)
    if first is None or first >= end:
        return
    following = _next_stream(opened, end)
    rest = () if following is None else _first_line(_decompressed(opened, following, None))
    lines = _split(chain(_decompressed(opened, first, following), rest))
    if first:
        next(lines, None)
    yield from lines


def _first_line(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        line, end, _ = block.partition(b"\n")
        yield line
        if end:
            return


def _next_stream(opened: BinaryIO, start: int) -> int | None:
    """Position of the first bzip2 stream that begins at or after a byte."""
    position, tail = start, b""
    for block in _blocks(opened, start, None):
        window = tail + block
        match = _BZ2_STREAM.search(window)
        if match:
            return position - len(tail) + match.start()
        position, tail = position + len(block), window[1 - _MAGIC :]
    return None


def _decompressed(opened: BinaryIO, first: int, last: int | None) -> Iterator[bytes]:
    decompressor = bz2.BZ2Decompressor()
    for block in _blocks(opened, first, last):
        while block:
            if decompressor.eof:
                decompressor = bz2.BZ2Decompressor()
            yield decompressor.decompress(block)
            block = decompressor.unused_data
    if not decompressor.eof:
        raise EOFError("the compressed data ends before its end")


_READERS = {".gz": _gzip_lines, ".bz2": _bz2_lines}


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
