"""Sentences in CoNLL files: the IMGID form of MMNERD and Twitter-2017, and any ``token … label`` columns.

A word a line, a blank line after each sentence, ``IMGID:<id>`` before the words of a sentence that has an image.
Nothing here looks into labels (`hf_mlm.data.formats.iob2` does) or changes a token: tokens may be zero-width,
private-use or white space, so lines end at "\\n" only, columns at the one separator of the file, and nothing is
stripped.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import fsspec

from hf_mlm.data.formats.iob2 import is_label


IMAGE_PREFIX = "IMGID:"
DOCUMENT_START = "-DOCSTART-"
BYTE_ORDER_MARK = "\ufeff"
_GZIP_MAGIC = b"\x1f\x8b"
_SAMPLE = 200  # lines that tell whether the first column numbers the words


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as a file spells it.

    Attributes:
        tokens: the words, unchanged; empty only where an image id has no words.
        tags: a label for each word.
        image_id: what follows ``IMGID:``, or None.
        line: number of the first word's line, from 1; word i stands on line ``line + i``.
    """

    tokens: list[str]
    tags: list[str]
    image_id: str | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class _Columns:
    """How the lines of words are divided, as the first of them shows."""

    separator: str
    count: int
    token: int  # 1 where the first column numbers the words, as in CoNLL-U
    line: int  # the first line of a word

    def split(self, line: str) -> list[str]:
        if self.separator == "\t":
            return line.split("\t")
        return [column for column in line.split(" ") if column]


def read_conll(path: str | os.PathLike[str]) -> list[Sentence]:
    """Read a file, plain or gzipped, by path or URL.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8, a damaged archive, or as `parse_conll` says.
    """
    return list(parse_conll(read_text(path), str(path)))


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a UTF-8 file, plain or gzipped, by path or URL; a byte order mark is dropped, CRLF becomes LF.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8, or a damaged archive.
    """
    try:
        with fsspec.open(os.fspath(path), "rb") as file:
            content: bytes = file.read()
        if content.startswith(_GZIP_MAGIC):
            content = gzip.decompress(content)
        text = content.decode("utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not a file; check the path.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip archive ({error}); fetch it again.") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}:{line}: byte 0x{content[error.start]:02x} is not UTF-8; convert the file to UTF-8."
        ) from error
    return text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")


def parse_conll(text: str, name: str = "text") -> Iterator[Sentence]:
    """Divide text into sentences.

    A line is a word if it has the columns of the first such line: token first (second, where the first column numbers
    the words) and label last. Also known are blank lines, ``IMGID:`` lines, ``#`` comments before a sentence and
    ``-DOCSTART-``. A sentence at the end needs no blank line.

    Args:
        text: lines that end with "\\n".
        name: of the file, for error messages.

    Raises:
        ValueError: naming file and line, if a line has another number of columns or another separator than the first,
            or no label.

    Example:
        >>> list(parse_conll("IMGID:O_7\\nNew\\tB-LOC\\nYork\\tI-LOC\\n\\n"))
        [Sentence(tokens=['New', 'York'], tags=['B-LOC', 'I-LOC'], image_id='O_7', line=2)]
    """
    lines = text.split("\n")
    columns = _columns(lines, name)
    for first, block in _blocks(lines, columns.separator):
        has_image = block[0].startswith(IMAGE_PREFIX) and columns.separator not in block[0]
        image_id = block[0].removeprefix(IMAGE_PREFIX) if has_image else None
        skipped = int(has_image)
        while skipped < len(block) and _is_comment(columns.split(block[skipped]), columns.count):
            skipped += 1
        words = [columns.split(line) for line in block[skipped:]]
        if any(len(word) != columns.count for word in words):
            raise ValueError(_bad_line(block[skipped:], words, first + skipped, columns, name))
        tokens, tags = [word[columns.token] for word in words], [word[-1] for word in words]
        if has_image or (tokens and tokens != [DOCUMENT_START]):
            yield Sentence(tokens, tags, image_id, first + skipped)


def format_conll(sentences: Iterable[Sentence]) -> str:
    """Write sentences in the IMGID form: token and label separated by a tab, a blank line after each sentence.

    For sentences with an image id it is the inverse of `parse_conll`, whatever their tokens.

    Raises:
        ValueError: if a token, label or image id would not be read back: it holds a tab or a line end, a label is not
            O, B-TYPE or I-TYPE, there is not one label a token, or a sentence has neither words nor an image.

    Example:
        >>> format_conll([Sentence(["\\u200b", "Rome"], ["O", "B-LOC"], "O_7")])
        'IMGID:O_7\\n\\u200b\\tO\\nRome\\tB-LOC\\n\\n'
    """
    return "".join(_format(number, sentence) for number, sentence in enumerate(sentences, 1))


def write_conll(path: str | os.PathLike[str], sentences: Iterable[Sentence]) -> None:
    """Write a file as `format_conll` does, whole or not at all; gzipped if its name ends with .gz.

    Raises:
        ValueError: as `format_conll`.
    """
    target = Path(path)
    content = format_conll(sentences).encode("utf-8")
    temporary = target.with_name(target.name + ".tmp")
    temporary.write_bytes(gzip.compress(content, mtime=0) if target.suffix == ".gz" else content)
    os.replace(temporary, target)


def _blocks(lines: list[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Runs of lines between blank lines, each with the number of its first line; ``IMGID:`` begins another."""
    block: list[str] = []
    for number, line in enumerate(lines):
        is_blank = not line.strip(" ")
        if block and (is_blank or (line.startswith(IMAGE_PREFIX) and separator not in line)):
            yield number - len(block) + 1, block
            block = []
        if not is_blank:
            block.append(line)
    if block:
        yield len(lines) - len(block) + 1, block


def _columns(lines: list[str], name: str) -> _Columns:
    separator = "\t" if any("\t" in line for line in lines) else " "
    for number, line in enumerate(lines, 1):
        is_comment = line.startswith("#") and not is_label(line.rsplit(separator, 1)[-1])
        if not line.strip(" ") or is_comment or (line.startswith(IMAGE_PREFIX) and separator not in line):
            continue
        if separator in line:
            count = len(_Columns(separator, 2, 0, number).split(line))
            numbered = count > 2 and _numbers_words(lines[number - 1 : number - 1 + _SAMPLE], separator)
            return _Columns(separator, count, int(numbered), number)
        if separator == " ":
            raise ValueError(f"{name}:{number}: {line!r} has no label; write token, tab and label on every line.")
    return _Columns(separator, count=2, token=0, line=0)


def _numbers_words(lines: list[str], separator: str) -> bool:
    """Whether the first column counts 0, 1, 2, … or 1, 2, 3, … in every sentence."""
    expected: set[int] = {0, 1}
    for line in lines:
        if not line.strip(" ") or line.startswith(("#", IMAGE_PREFIX)):
            expected = {0, 1}
            continue
        first = line.split(separator, 1)[0]
        if not first.isdecimal() or int(first) not in expected:
            return False
        expected = {int(first) + 1}
    return True


def _is_comment(columns: list[str], count: int) -> bool:
    """Whether a line before the first word is a comment and not a word such as "#" with its label."""
    return columns[0].startswith("#") and (len(columns) != count or not is_label(columns[-1]))


def _bad_line(block: list[str], words: list[list[str]], first: int, columns: _Columns, name: str) -> str:
    position = next(position for position, word in enumerate(words) if len(word) != columns.count)
    line, where = block[position], f"{name}:{first + position}"
    other = {"\t": " ", " ": "\t"}[columns.separator]
    names = {"\t": "tabs", " ": "spaces"}
    if columns.separator not in line and other in line:
        return (
            f"{where}: {line!r} is divided by {names[other]}, where line {columns.line} is divided by "
            f"{names[columns.separator]}; use one separator in the whole file."
        )
    if len(words[position]) == 1:
        return f"{where}: {line!r} has no label; write token and label, or a blank line between sentences."
    return (
        f"{where}: {line!r} has {len(words[position])} columns, where line {columns.line} has {columns.count}; "
        "every word needs one token and one label."
    )


def _format(number: int, sentence: Sentence) -> str:
    tokens, tags, image_id = sentence.tokens, sentence.tags, sentence.image_id
    if len(tokens) != len(tags) or not (tokens or image_id is not None):
        raise ValueError(f"sentence {number} has {len(tokens)} tokens, {len(tags)} labels and image id {image_id!r}.")
    for text in [*tokens, image_id or ""]:
        if "\t" in text or "\n" in text or (text is image_id and text.endswith("\r")):
            raise ValueError(f"sentence {number}: {text!r} holds a tab or a line end; replace it.")
    for tag in tags:
        if not is_label(tag):
            raise ValueError(f"sentence {number}: the label {tag!r} is not O, B-TYPE or I-TYPE; correct it.")
    header = "" if image_id is None else f"{IMAGE_PREFIX}{image_id}\n"
    return header + "".join(f"{token}\t{tag}\n" for token, tag in zip(tokens, tags, strict=True)) + "\n"
