"""CoNLL files and their kin: IMGID blocks, CoNLL-2003, CoNLL-U, GermEval, MultiCoNER; columns found or named."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hf_mlm.data.mmnerd.schemes import is_label, join_tags, parse_tag
from hf_mlm.data.text_file import read_text
from hf_mlm.files import replacing


IMAGE_PREFIX = "IMGID:"
DOCUMENT_START = "-DOCSTART-"

_SAMPLE = 200  # lines that tell whether the first column numbers the words
_NUMBER = re.compile(r"(\d+)(?:([-.])(\d+))?")  # of a word; of a range, 3-4; of an empty node, 5.1
_SENTENCE_ID = re.compile(r"#\s*(?:sent_id\s*=|id\b\s*=?)\s*(\S+)")
_UNLABELLED = {"_", "-"}  # words of CoNLL-U without a label
_CHUNKS = frozenset(["ADJP", "ADVP", "CONJP", "INTJ", "LST", "NP", "PP", "PRT", "SBAR", "UCP", "VP"])


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as a file spells it.

    Attributes:
        tokens: the words, unchanged; empty only where an image id has no words.
        tags: a label for each word.
        image_id: of its image, or None.
        line: number of the first word's line, from 1.
        lines: number of each word's line where they do not follow each other; a last one stands for the rest.
        id: its own in the file, or None.
    """

    tokens: list[str]
    tags: list[str]
    image_id: str | None = None
    line: int = field(default=0, compare=False)
    lines: tuple[int, ...] = field(default=(), compare=False)
    id: str | None = field(default=None, compare=False)

    def line_of(self, position: int) -> int:
        """Give the number of a word's line."""
        return self.lines[min(position, len(self.lines) - 1)] if self.lines else self.line + position


@dataclass(frozen=True)
class Columns:
    """Columns of the lines of words.

    Attributes:
        separator: tab or space; runs of spaces count as one.
        token: position of the words.
        tag: position of the labels.
        numbered: whether the first column numbers the words, as in CoNLL-U.
        line: number of the line that shows it.
    """

    separator: str
    count: int = 2
    token: int = 0
    tag: int = -1
    numbered: bool = False
    line: int = 0

    def split(self, line: str) -> list[str]:
        """Divide a line."""
        if self.separator == "\t":
            return line.split("\t")
        return [column for column in line.split(" ") if column]

    def is_image(self, line: str) -> bool:
        """Tell whether a line is an image id, and not a word that begins like one."""
        return line.startswith(IMAGE_PREFIX) and self.separator not in line

    def is_comment(self, line: str) -> bool:
        """Tell whether a line before the first word is a comment, and not a word such as "#" with its label."""
        if self.numbered or not line.startswith("# "):
            return self.numbered and line.startswith("#")
        cells = self.split(line)
        return len(cells) != self.count or not _is_tag(cells[self.tag])

    def complaint(self, line: str, where: str) -> str:
        """Describe a line with another number of columns, at a file and number."""
        cells = self.split(line)
        other = {"\t": " ", " ": "\t"}[self.separator]
        names = {"\t": "tabs", " ": "spaces"}
        if self.separator not in line and other in line:
            return (
                f"{where}: {line!r:.120} is divided by {names[other]}, where line {self.line} is divided by "
                f"{names[self.separator]}; use one separator in the whole file."
            )
        if len(cells) == 1:
            return f"{where}: {line!r:.120} has no label; write token and label, or a blank line between sentences."
        return (
            f"{where}: {line!r:.120} has {len(cells)} columns, where line {self.line} has {self.count}; every word "
            "needs one token and one label."
        )


def _is_tag(cell: str) -> bool:
    """Tell whether a cell is O, or a label with a letter before or after its type."""
    return parse_tag(cell, "prefix") is not None or parse_tag(cell, "suffix") is not None


def find_columns(lines: list[str], name: str, chosen: Mapping[str, int | str] | None = None) -> Columns:
    """Find the columns of a file: divided by tabs if words have any, else by spaces.

    Args:
        lines: all lines of the file.
        name: of the file, for error messages.
        chosen: positions of ``"token"`` and ``"tag"`` that need not be found, from 0, or from the end if negative.

    Raises:
        ValueError: naming file and line, if the first word has no label, or several columns hold labels.
    """
    has_tabs = any("\t" in line and (line[:2] != "# " or _is_tag(line.rsplit("\t", 1)[-1])) for line in lines)
    separator = "\t" if has_tabs else " "
    for number, line in enumerate(lines, 1):
        draft = Columns(separator, len(Columns(separator).split(line)), line=number)
        is_comment = line.startswith("# ") and not _is_tag(draft.split(line)[-1])
        if is_comment or not line.strip() or draft.is_image(line) or line.startswith(DOCUMENT_START):
            continue
        if draft.count > 1:
            draft = replace(draft, numbered=draft.count > 2 and _numbers_words(lines[number - 1 :][:_SAMPLE], draft))
            return _place(draft, lines, name, dict(chosen or {}))
        if separator == " ":
            raise ValueError(f"{name}:{number}: {line!r:.120} has no label; write token, tab and label on every line.")
    return Columns(separator)


def _numbers_words(lines: list[str], columns: Columns) -> bool:
    """Tell whether the first column counts from 0 or 1 on in every sentence, but for ranges and empty nodes."""
    expected: set[int] = {0, 1}
    for line in lines:
        if not line.strip() or columns.is_image(line) or line.startswith("#"):
            expected = {0, 1}
            continue
        match = _NUMBER.fullmatch(columns.split(line)[0])
        if match is None or (not match[2] and int(match[1]) not in expected):
            return False
        expected = expected if match[2] else {int(match[1]) + 1}
    return True


def _place(columns: Columns, lines: list[str], name: str, chosen: dict[str, int | str]) -> Columns:
    """Find the columns of words and labels, where they are not chosen."""
    for role, position in chosen.items():
        if not isinstance(position, int) or not -columns.count <= position < columns.count:
            raise ValueError(
                f"{name}: expected the column of each {role} as a number from 0 to {columns.count - 1}, found "
                f"{position!r}; line {columns.line} is {lines[columns.line - 1]!r:.120}."
            )
    positions = range(int(columns.numbered), columns.count)
    tag = chosen["tag"] if "tag" in chosen else _tag_column(columns, positions, lines, name)
    tag = int(tag) % columns.count
    token = int(chosen.get("token", next((place for place in positions if place != tag), 0)))
    return replace(columns, token=token % columns.count, tag=tag)


def _tag_column(columns: Columns, positions: Iterable[int], lines: list[str], name: str) -> int:
    """Find the column of labels: the one whose cells are all labels, chunks aside; of bare types, the last."""
    labels: dict[int, set[str]] = {position: set() for position in positions}
    for line in lines:
        row = columns.split(line)
        is_word = not line.startswith(("# ", DOCUMENT_START)) and len(row) == columns.count
        if is_word and (not columns.numbered or row[0].isdecimal()):
            for position, values in labels.items():
                values.add(row[position])
    last = max(labels)
    unlabelled = _UNLABELLED if columns.numbered else set()
    labels = {position: values - unlabelled for position, values in labels.items()}
    found = [position for position, values in labels.items() if values and all(map(_is_tag, values))]
    if len(labels) == 2 and last in found:
        return last
    found = [position for position in found if labels[position] != {"O"}] or found
    found = [position for position in found if not {tag[2:] for tag in labels[position] - {"O"}} <= _CHUNKS] or found
    if len(found) > 1:
        shown = "; ".join(f"{place} ({', '.join(sorted(labels[place] - {'O'})[:3]) or 'O'})" for place in found)
        raise ValueError(
            f"{name}: expected one column of labels, found {len(found)}, counted from 0: {shown}; choose one, as in "
            f"label_column={found[0]}."
        )
    return found[0] if found else last


def read_conll(path: str | os.PathLike[str], columns: Mapping[str, int | str] | None = None) -> list[Sentence]:
    """Read a file, plain or gzipped, by path or URL.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8, a damaged archive, or as `parse_conll` says.
    """
    return list(parse_conll(read_text(path), str(path), columns))


def parse_conll(text: str, name: str = "text", columns: Mapping[str, int | str] | None = None) -> Iterator[Sentence]:
    r"""Divide text into sentences.

    A line is a word if it has as many columns as the first such line. Also known are blank lines, ``IMGID:`` lines,
    of which several before a sentence give it once for each, ``#`` comments before a sentence, ``-DOCSTART-``, and the
    multiword tokens and empty nodes of CoNLL-U: words are the surface tokens. A sentence at the end needs no blank
    line.

    Args:
        text: lines that end with "\n".
        name: of the file, for error messages.
        columns: positions of ``"token"`` and ``"tag"`` that need not be found.

    Raises:
        ValueError: naming file and line, if a line has another number of columns or another separator than the first,
            or no label; or if several columns hold labels.

    Example:
        >>> list(parse_conll("IMGID:O_7\nNew\tB-LOC\nYork\tI-LOC\n\n"))
        [Sentence(tokens=['New', 'York'], tags=['B-LOC', 'I-LOC'], image_id='O_7', line=2, lines=(), id=None)]
    """
    lines = text.split("\n")
    found = find_columns(lines, name, columns)
    has_images = any(map(found.is_image, lines))
    images: list[str] = []
    words: list[tuple[int, list[str]]] = []  # line and cells
    own: str | None = None
    for number, line in enumerate([*lines, ""], 1):
        is_image = found.is_image(line)
        ends = not line.strip() or (not has_images and line.startswith(DOCUMENT_START))
        if ends or (is_image and words):
            if images or words:
                yield from _sentences(words, images, own, found, number)
            images, words, own = [], [], None
        if is_image:
            images.append(line.removeprefix(IMAGE_PREFIX))
        elif not ends and (words and not found.numbered or not found.is_comment(line)):
            cells = found.split(line)
            if len(cells) != found.count:
                raise ValueError(found.complaint(line, f"{name}:{number}"))
            words.append((number, cells))
        elif not ends:
            match = _SENTENCE_ID.match(line)
            own = match[1] if match else own


def _sentences(
    words: list[tuple[int, list[str]]], images: list[str], own: str | None, columns: Columns, end: int
) -> Iterator[Sentence]:
    """Make a sentence of its words' lines, once for each image."""
    rows = [(number, cells[columns.token], cells[columns.tag]) for number, cells in words]
    if columns.numbered:
        rows = list(surface_words(rows, [cells[0] for _, cells in words]))
    numbers = tuple(number for number, _, _ in rows)
    first = numbers[0] if numbers else end
    lines = () if numbers == tuple(range(first, first + len(numbers))) else numbers
    for image in images or ((None,) if rows else ()):
        yield Sentence([token for _, token, _ in rows], [tag for _, _, tag in rows], image, first, lines, own)


def surface_words(rows: Iterable[tuple[int, str, str]], ids: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Put multiword tokens of CoNLL-U in the place of their words, and leave out empty nodes.

    Args:
        rows: line, word and label.
        ids: their numbers: of a word, of the words of a token (3-4), or of an empty node (5.1).
    """
    surface, tags, stop = (0, "", ""), [""], -1
    for (number, token, tag), identity in zip(rows, ids, strict=True):
        match = _NUMBER.fullmatch(identity)
        first, mark, last = (str(part) for part in match.groups("")) if match else ("0", "", "")
        if mark == "-":
            surface, tags, stop = (number, token, tag), [], int(last)
        elif not mark and int(first) > stop:
            yield number, token, "O" if tag in _UNLABELLED else tag
        elif not mark:
            tags.append(tag)
            if int(first) == stop:
                number, token, tag = surface
                yield number, token, join_tags(tags) if tag in _UNLABELLED else tag


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


def _format(number: int, sentence: Sentence) -> str:
    tokens, tags, image_id = sentence.tokens, sentence.tags, sentence.image_id
    if len(tokens) != len(tags) or not (tokens or image_id is not None):
        raise ValueError(f"sentence {number} has {len(tokens)} tokens, {len(tags)} labels and image id {image_id!r}.")
    for text in [*tokens, image_id or ""]:
        if "\t" in text or "\n" in text or (text is image_id and text.endswith("\r")):
            raise ValueError(f"sentence {number}: {text!r:.120} holds a tab or a line end; replace it.")
    for tag in tags:
        if not is_label(tag):
            raise ValueError(f"sentence {number}: the label {tag!r:.120} is not O, B-TYPE or I-TYPE; correct it.")
    header = "" if image_id is None else f"{IMAGE_PREFIX}{image_id}\n"
    return header + "".join(f"{token}\t{tag}\n" for token, tag in zip(tokens, tags, strict=True)) + "\n"
