"""Wikidata's JSON dumps, one item a line, divided into parts that tasks read on their own.

A file is cut anywhere. A plain part begins at a line, a gzip part at a member (Wikidata's dumps are many members, one
after the other), a bzip2 part at a block, of which one stream has many. The first part gives a line across parts.
"""

from __future__ import annotations

import bz2
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import BinaryIO

from datatrove.data import Document

from hf_mlm.construction.mlm.items import COORDINATES, COUNTRY_CODE, IMAGE, SUBCLASS_OF, parse_item
from hf_mlm.construction.stage import Block, Row, to_document


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
    """Divide dump files among tasks, in ranges of bytes.

    Raises:
        FileNotFoundError: if a file is missing, or there is none.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing or not paths:
        raise FileNotFoundError(
            f"Expected files such as latest-all.json.bz2, found no {missing[0] if missing else 'file'}; check --dump."
        )
    sizes = {path: path.stat().st_size for path in paths}
    share = max(1, -(-sum(sizes.values()) // tasks))  # bytes a task
    parts = [part for path, size in sizes.items() for part in _parts(path, size, share)]
    return [parts[task::tasks] for task in range(tasks)]


def _parts(path: Path, size: int, share: int) -> list[DumpPart]:
    count = max(1, round(size / share))
    bounds = [size * number // count for number in range(count + 1)]
    return [DumpPart(path, *pair) for pair in pairwise(bounds)]


def _blocks(opened: BinaryIO, start: int, end: int | None = None) -> Iterator[bytes]:
    """The bytes of a range, a megabyte at a time; to the end of the file when ``end`` is None.

    Several of these may read one file by turns.
    """
    while end is None or start < end:
        opened.seek(start)
        block = opened.read(_BLOCK if end is None else min(_BLOCK, end - start))
        if not block:
            return
        yield block
        start += len(block)


def _plain_lines(opened: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    position = opened.seek(max(0, start - 1))
    if start:
        position += len(opened.readline())  # the end of the line that began before
    while position < end and (line := opened.readline()):
        position += len(line)
        yield line.rstrip(b"\n")


def _lines_of(texts: Iterable[tuple[int, bytes]], end: int) -> Iterator[bytes]:
    """The lines of the compressed units that begin in a range.

    Lines run across units. So a range gives the line with which the next range begins, be it a whole one or the rest
    of one, and leaves its own first line to the range before.
    """
    by_range = groupby(texts, key=lambda text: text[0] < end)
    is_own, own = next(by_range, (False, iter(())))
    if not is_own:
        return
    first = next(own)
    rest = (text for _, following in by_range for _, text in following)
    lines = _split(chain([first[1]], (text for _, text in own), _first_line(rest)))
    if first[0] > len("BZh9"):
        next(lines, None)
    yield from lines


def _split(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of a text that comes in blocks."""
    tail = b""
    for block in blocks:
        *lines, tail = (tail + block).split(b"\n")
        yield from lines
    if tail:
        yield tail


def _first_line(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        line, end, _ = block.partition(b"\n")
        yield line
        if end:
            return


# Header of a gzip member (RFC 1952): magic, deflate, flags without reserved ones, time, effort, operating system.
_MEMBER = re.compile(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff]", re.DOTALL)
_HEADER = 10  # bytes of it


def _gzip_lines(opened: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    first = _next_member(opened, start, end)
    return iter(()) if first is None else _lines_of(_members(opened, first), end)


def _next_member(opened: BinaryIO, start: int, end: int) -> int | None:
    """First byte of the first gzip member that begins in a range; a header that is followed by no text is none."""
    if start == 0:
        return 0 if end else None
    position, tail = start, b""
    for block in _blocks(opened, start, end + _HEADER - 1):
        window = tail + block
        for match in _MEMBER.finditer(window):
            candidate = position - len(tail) + match.start()
            if candidate < end and _is_member(opened, candidate):
                return candidate
        position, tail = position + len(block), window[1 - _HEADER :]
    return None


def _is_member(opened: BinaryIO, start: int) -> bool:
    opened.seek(start)
    decompressor = zlib.decompressobj(wbits=31)
    try:
        return bool(decompressor.decompress(opened.read(1 << 16), 1 << 16)) or decompressor.eof
    except zlib.error:
        return False


def _members(opened: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """First byte of each member from ``start`` on, and text of it, at most a megabyte at a time."""
    decompressor, position = zlib.decompressobj(wbits=31), start
    for block in _blocks(opened, start):
        position += len(block)
        while block := block.lstrip(b"\0") if decompressor.eof else block:  # padding may follow a member
            if decompressor.eof:
                start, decompressor = position - len(block), zlib.decompressobj(wbits=31)
            yield start, decompressor.decompress(block, _BLOCK)
            block = decompressor.unconsumed_tail or decompressor.unused_data
    while not decompressor.eof and (text := decompressor.decompress(b"", _BLOCK)):
        yield start, text
    if not decompressor.eof:
        raise EOFError("the compressed data ends before its end")


# bzip2: a block begins with the digits of pi, a stream ends with those of its root; both lie at any bit.
_PI, _ROOT = 0x314159265359, 0x177245385090
_LONGEST = 8 * 1_300_000  # bits of a compressed block


def _patterns() -> dict[bytes, tuple[int, int]]:
    """The five whole bytes within a mark that begins at each bit -> the mark and that bit."""
    marks = [(mark, bit) for mark in (_PI, _ROOT) for bit in range(8)]
    return {(mark << 8 - bit).to_bytes(7, "big")[1:6]: (mark, bit) for mark, bit in marks}


_PATTERNS = _patterns()
_MARK = re.compile(b"(?=(" + b"|".join(map(re.escape, _PATTERNS)) + b"))")


def _bz2_lines(opened: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    return _lines_of(_bz2_blocks(opened, start), end)


def _bz2_blocks(opened: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """First byte of each block from ``start`` on, and its text.

    What looks like a mark within a block is none, if the block can only be read beyond it.
    """
    begun: int | None = None  # bit of the block that is not read yet
    for bit, mark in _marks(opened, start):
        if begun is not None:
            text = _decompressed(opened, begun, bit)
            if text is None and bit - begun < _LONGEST:
                continue
            if text is None:
                raise EOFError("a block is damaged")
            yield begun // 8, text
        begun = bit if mark == _PI else None
    if begun is not None:
        raise EOFError("the compressed data ends before its end")


def _marks(opened: BinaryIO, start: int) -> Iterator[tuple[int, int]]:
    """Bit of each mark that begins at or after a byte, and the mark."""
    position, tail = start, b""
    for block in _blocks(opened, start):
        window = tail + block
        for match in _MARK.finditer(window, 2 if tail else 1):
            mark, bit = _PATTERNS[match[1]]
            first = match.start() - 1
            if int.from_bytes(window[first : first + 7], "big") >> 8 - bit & (1 << 48) - 1 == mark:
                yield 8 * (position - len(tail) + first) + bit, mark
        position, tail = position + len(block), window[-7:]


def _decompressed(opened: BinaryIO, first: int, last: int) -> bytes | None:
    """The text of the block between two bits, made a stream of its own; None if it is none."""
    opened.seek(first // 8)
    size = last - first
    content = int.from_bytes(opened.read(-(-last // 8) - first // 8), "big") >> -last % 8 & (1 << size) - 1
    try:
        checksum = content >> size - 80 & 0xFFFFFFFF  # follows the mark; that of a stream of one block is the same
        stream = ((content << 48 | _ROOT) << 32 | checksum) << -size % 8
        return bz2.decompress(b"BZh9" + stream.to_bytes(-(-size // 8) + 10, "big"))
    except (OSError, ValueError):
        return None


_READERS = {".gz": _gzip_lines, ".bz2": _bz2_lines}


_PROPERTIES = tuple(f'"{name}"'.encode() for name in (COORDINATES, SUBCLASS_OF, COUNTRY_CODE))


class ReadDump(Block):
    """Reads a task's parts of a dump and keeps the items that may be entities, classes or countries.

    A line is parsed only if it names one of their properties: most of Wikidata is scholarly articles and people.
    """

    name = "read dump"

    def __init__(
        self, paths: Sequence[Path], languages: Sequence[str], date: str, image_properties: Sequence[str] = (IMAGE,)
    ) -> None:
        super().__init__()
        self.paths, self.languages, self.date = list(paths), tuple(languages), date
        self.image_properties = tuple(image_properties)

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
        if not any(mark in text for mark in _PROPERTIES):
            # A redirect says where the item has gone and has no statements.
            self.drop("redirect" if b'"redirect"' in text[:80] else "neither place nor class")
            return None
        try:
            content = json.loads(text)
            if content.get("type", "item") != "item":  # dumps hold properties, too
                self.drop("neither place nor class")
                return None
            row = parse_item(content, self.languages, self.image_properties)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            self.drop("invalid JSON")
            return None
        if not (row["superclasses"] or row["country_code"] or (row["positions"] and row["classes"])):
            self.drop("neither place nor class")
            return None
        return row
