"""How the lines of a CoNLL file are divided into columns."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from hf_mlm.data.mmnerd.schemes import is_label
from hf_mlm.data.text_file import read_text
from hf_mlm.files import replacing


IMAGE_PREFIX = "IMGID:"
_SAMPLE = 200  # lines that tell whether the first column numbers the words


@dataclass(frozen=True)
class Columns:
    """How the lines of words are divided, as the first of them shows.

    Attributes:
        separator: tab or space; runs of spaces count as one.
        count: of columns.
        token: 0, or 1 where the first column numbers the words, as in CoNLL-U; the label is in the last.
        line: number of the line that shows it.
    """

    separator: str
    count: int = 2
    token: int = 0
    line: int = 0

    def split(self, line: str) -> list[str]:
        """Divide a line."""
        if self.separator == "\t":
            return line.split("\t")
        return [column for column in line.split(" ") if column]

    def is_image(self, line: str) -> bool:
        """Whether a line tells an image id, and is not a word that begins like one."""
        return line.startswith(IMAGE_PREFIX) and self.separator not in line

    def is_comment(self, line: str) -> bool:
        """Whether a line before the first word is a comment, and not a word such as "#" with its label."""
        if not line.startswith("# "):
            return False
        columns = self.split(line)
        return len(columns) != self.count or (self.separator == "\t" and not is_label(columns[-1]))

    def complaint(self, line: str, where: str) -> str | None:
        """What is wrong with the line of a word, as a sentence; None of a good one.

        Args:
            line: the line.
            where: its file and number.
        """
        columns = self.split(line)
        if len(columns) == self.count:
            return None
        other = {"\t": " ", " ": "\t"}[self.separator]
        names = {"\t": "tabs", " ": "spaces"}
        if self.separator not in line and other in line:
            return (
                f"{where}: {line!r} is divided by {names[other]}, where line {self.line} is divided by "
                f"{names[self.separator]}; use one separator in the whole file."
            )
        if len(columns) == 1:
            return f"{where}: {line!r} has no label; write token and label, or a blank line between sentences."
        return (
            f"{where}: {line!r} has {len(columns)} columns, where line {self.line} has {self.count}; every word needs "
            "one token and one label."
        )


def find_columns(lines: list[str], name: str) -> Columns:
    """Look how a file is divided: by tabs if words have any, else by spaces.

    Args:
        lines: all lines of the file.
        name: of the file, for error messages.

    Raises:
        ValueError: naming file and line, if the first word has no label.
    """
    has_tabs = any("\t" in line and (line[:2] != "# " or is_label(line.rsplit("\t", 1)[-1])) for line in lines)
    separator = "\t" if has_tabs else " "
    for number, line in enumerate(lines, 1):
        draft = Columns(separator, len(Columns(separator).split(line)), line=number)
        is_comment = line.startswith("# ") and not is_label(draft.split(line)[-1])
        if is_comment or not line.strip(" ") or draft.is_image(line):
            continue
        if draft.count > 1:
            numbered = draft.count > 2 and _numbers_words(lines[number - 1 : number - 1 + _SAMPLE], draft)
            return replace(draft, token=int(numbered))
        if separator == " ":
            raise ValueError(f"{name}:{number}: {line!r} has no label; write token, tab and label on every line.")
    return Columns(separator)


def _numbers_words(lines: list[str], columns: Columns) -> bool:
    """Whether the first column counts 0, 1, 2, … or 1, 2, 3, … in every sentence."""
    expected: set[int] = {0, 1}
    for line in lines:
        if not line.strip(" ") or columns.is_image(line) or columns.is_comment(line):
            expected = {0, 1}
            continue
        first = columns.split(line)[0]
        if not first.isdecimal() or int(first) not in expected:
            return False
        expected = {int(first) + 1}
    return True


DOCUMENT_START = "-DOCSTART-"


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


def read_conll(path: str | os.PathLike[str]) -> list[Sentence]:
    """Read a file, plain or gzipped, by path or URL.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8, a damaged archive, or as `parse_conll` says.
    """
    return list(parse_conll(read_text(path), str(path)))


def parse_conll(text: str, name: str = "text") -> Iterator[Sentence]:
    r"""Divide text into sentences.

    A line is a word if it has the columns of the first such line: token first (second, where the first column numbers
    the words) and label last. Also known are blank lines, ``IMGID:`` lines, ``#`` comments before a sentence and
    ``-DOCSTART-``. A sentence at the end needs no blank line.

    Args:
        text: lines that end with "\n".
        name: of the file, for error messages.

    Raises:
        ValueError: naming file and line, if a line has another number of columns or another separator than the first,
            or no label.

    Example:
        >>> list(parse_conll("IMGID:O_7\nNew\tB-LOC\nYork\tI-LOC\n\n"))
        [Sentence(tokens=['New', 'York'], tags=['B-LOC', 'I-LOC'], image_id='O_7', line=2)]
    """
    lines = text.split("\n")
    columns = find_columns(lines, name)
    for first, block in _blocks(lines, columns):
        has_image = columns.is_image(block[0])
        image_id = block[0].removeprefix(IMAGE_PREFIX) if has_image else None
        skipped = int(has_image)
        while skipped < len(block) and columns.is_comment(block[skipped]):
            skipped += 1
        words = [columns.split(line) for line in block[skipped:]]
        if any(len(word) != columns.count for word in words):
            _complain(block[skipped:], first + skipped, columns, name)
        tokens, tags = [word[columns.token] for word in words], [word[-1] for word in words]
        if has_image or (tokens and tokens != [DOCUMENT_START]):
            yield Sentence(tokens, tags, image_id, first + skipped)


def format_conll(sentences: Iterable[Sentence]) -> str:
    r"""Write sentences in the IMGID form: token and label separated by a tab, a blank line after each sentence.

    For sentences with an image id it is the inverse of `parse_conll`, whatever their tokens.

    Raises:
        ValueError: if a token, label or image id would not be read back: it holds a tab or a line end, a label is not
            O, B-TYPE or I-TYPE, there is not one label a token, or a sentence has neither words nor an image.

    Example:
        >>> format_conll([Sentence(["\u200b", "Rome"], ["O", "B-LOC"], "O_7")])
        'IMGID:O_7\n\u200b\tO\nRome\tB-LOC\n\n'
    """
    return "".join(_format(number, sentence) for number, sentence in enumerate(sentences, 1))


def write_conll(path: str | os.PathLike[str], sentences: Iterable[Sentence]) -> None:
    """Write a file as `format_conll` does, whole or not at all; gzipped if its name ends with .gz.

    Raises:
        ValueError: as `format_conll`.
    """
    target = Path(path)
    content = format_conll(sentences).encode("utf-8")
    with replacing(target) as unfinished:
        unfinished.write_bytes(gzip.compress(content, mtime=0) if target.suffix == ".gz" else content)


def _blocks(lines: list[str], columns: Columns) -> Iterator[tuple[int, list[str]]]:
    """Runs of lines between blank lines, each with the number of its first line; an image id begins another."""
    block: list[str] = []
    for number, line in enumerate(lines):
        is_blank = not line.strip(" ")
        if block and (is_blank or columns.is_image(line)):
            yield number - len(block) + 1, block
            block = []
        if not is_blank:
            block.append(line)
    if block:
        yield len(lines) - len(block) + 1, block


def _complain(block: list[str], first: int, columns: Columns, name: str) -> None:
    for number, line in enumerate(block, first):
        complaint = columns.complaint(line, f"{name}:{number}")
        if complaint:
            raise ValueError(complaint)


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
