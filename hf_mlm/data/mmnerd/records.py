"""Sentences in records: JSON lines, JSON, CSV and TSV, with labels word by word or spans of characters.

Spans are read as spaCy, Prodigy, Label Studio, Doccano and GLiNER write them.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePath
from typing import Any, NamedTuple

from hf_mlm.data.mmnerd.conll import Sentence, parse_conll
from hf_mlm.data.mmnerd.schemes import parse_tag
from hf_mlm.data.text_file import read_text
from hf_mlm.data.words import WordSplitter


Names = Mapping[str, int | str]

_NAMES = {
    "token": ("token", "tokens", "word", "words", "form", "tokenized_text"),
    "tag": ("tag", "tags", "ner", "ner_tag", "ner_tags", "ner_labels", "label", "labels", "bio", "iob"),
    "text": ("text", "content", "sentence"),
    "spans": ("spans", "entities", "ents", "label", "labels", "annotations"),
    "sentence": ("sentence", "sentence_id", "sent_id", "sent", "sentence_number"),
    "id": ("id", "sent_id", "sentence_id"),
    "image": ("image_id", "image"),
}
_KINDS: dict[str, type] = {"token": list, "tag": list, "text": str, "spans": list}
_STARTS, _STOPS = ("start", "start_offset", "begin"), ("end", "end_offset", "stop")
_TYPES = ("label", "labels", "type", "entity", "entity_type", "entity_group")
_SPLIT = WordSplitter("characters")  # into the smallest words, so that spans cut few
_SHOWN = 5  # notes of a kind that are spelled out
_SAMPLE = 50  # rows of a table that tell whether each holds a word or a sentence


def read_sentences(
    path: str | os.PathLike[str], columns: Names | None = None, labels: Sequence[str] = ()
) -> tuple[list[Sentence], list[str]]:
    """Read a file of any kind: CoNLL, JSON, CSV or TSV, plain or gzipped, by path or URL.

    Args:
        path: of the file; its ending and contents tell the kind.
        columns: columns or fields that need not be found, as in ``{"token": 1, "tag": 3}`` or ``{"text": "body"}``;
            the keys are token, tag, text, spans, sentence, id and image.
        labels: labels of the ids, where labels are numbers.

    Returns:
        The sentences, and a line on each kind of thing that had to be moved or left out.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming file and line, if it is damaged, or what its columns hold cannot be told.
    """
    text, name = read_text(path), str(path)
    reader = RecordReader(name, columns, labels)
    ending = PurePath(name.removesuffix(".gz")).suffix.lower()
    if ending in (".json", ".jsonl", ".ndjson") or text.lstrip().startswith(('{"', '[{"')):
        sentences = reader.read_json(text)
    elif ending == ".csv" or (ending == ".tsv" and reader.has_header(text)):
        sentences = reader.read_table(text)
    else:
        sentences = parse_conll(text, name, columns)
    return list(sentences), reader.notes


class Span(NamedTuple):
    """An entity of a text: its ends in characters, its type, and its text where the file gives that."""

    start: int
    stop: int
    type: str
    text: str | None = None


class RecordReader:
    """Reader of one file of records, which notes what it moves or leaves out; arguments as of `read_sentences`."""

    def __init__(self, name: str, columns: Names | None = None, labels: Sequence[str] = ()) -> None:
        self.name, self.columns, self.labels = name, dict(columns or {}), labels
        self._noted: dict[str, list[str]] = {}

    @property
    def notes(self) -> list[str]:
        """One line on each kind of thing that was moved or left out, with the first of them."""
        return [
            f"{self.name}: {len(found):,} {kind}: {'; '.join(found[:_SHOWN])}{'; …' * (len(found) > _SHOWN)}"
            for kind, found in self._noted.items()
        ]

    def read_json(self, text: str) -> Iterator[Sentence]:
        """Read JSON lines, an array of records, or an object with one; an array's lines are its records' numbers."""
        for number, record in self._values(text):
            yield from self._sentences(record, number)

    def read_table(self, text: str) -> Iterator[Sentence]:
        """Read a table with a row a word, or a row a sentence."""
        rows, places = self._rows(text)
        if {"token", "tag"} <= places.keys() and not _holds_sentences(rows, places):
            return self._by_word(rows, places)
        if not {"token", "text"} & places.keys() or not {"tag", "spans"} & places.keys():
            way_out = "name them, as in columns={'sentence': 'Sentence #', 'token': 'Word', 'tag': 'Tag'}"
            raise self._fault(1, "columns of words and labels", text.partition("\n")[0], way_out)
        return self._by_sentence(rows, places)

    def read_rows(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Sentence]:
        """Read records from elsewhere, numbered from 0."""
        for number, row in enumerate(rows):
            yield from self._sentences(row, number)

    def has_header(self, text: str) -> bool:
        """Tell whether a table begins with names of its columns, of words and labels among them."""
        return {"token", "tag"} <= self._places(text.partition("\n")[0].split("\t")).keys()

    def _values(self, text: str) -> Iterator[tuple[int, Any]]:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if len(lines) > 1 and _is_whole(lines[0][1]):
            for number, line in lines:
                yield number, self._parse(line, number)
            return
        value = self._parse(text, 1) if lines else []
        if isinstance(value, dict) and not isinstance(value.get("data"), dict) and "text" not in value:
            inner = [value[key] for key in ("annotations", "data", "examples") if isinstance(value.get(key), list)]
            value = inner[0] if len(inner) == 1 else value
        yield from enumerate(value if isinstance(value, list) and not _is_pair(value) else [value], 1)

    def _parse(self, text: str, number: int) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            number += getattr(error, "lineno", 1) - 1
            raise self._fault(number, "whole JSON", f"a damaged or cut value ({error})", quoted=False) from None

    def _sentences(self, record: Any, number: int) -> Iterator[Sentence]:
        """Make the sentence of a record, if it has one; of a document in spaCy's training format, its sentences."""
        if isinstance(record, list) and _is_pair(record):
            record = {"text": record[0], **record[1]}
        if not isinstance(record, dict):
            raise self._fault(number, "a record with fields", record)
        for part in (part for paragraph in record.get("paragraphs", ()) for part in paragraph["sentences"]):
            tags = [word.get("ner", "-") for word in part["tokens"]]
            words = [word["orth"] for word in part["tokens"]]
            yield from self._tagged(words, ["O" if tag == "-" else tag for tag in tags], {}, number)
        if "paragraphs" in record or (record := self._accepted(record, number)) is None:
            return
        tokens, text, spans = (self._field(record, role, number) for role in ("token", "text", "spans"))
        if text is not None and spans and not isinstance(spans[0], (str, int)):
            yield from self._spanned(text, tokens or (), spans, record, number)
            return
        tags = self._field(record, "tag", number)
        if text is not None and not tags:
            yield from self._spanned(text, tokens or (), (), record, number)
        elif tags is not None and (tokens is not None or text is not None):
            yield from self._tagged(tokens if text is None or tokens else text.split(), tags, record, number)
        else:
            way_out = "name the fields, as in columns={'text': 'body', 'spans': 'marks'}"
            raise self._fault(number, "tokens with tags, or a text with spans", list(record), way_out)

    def _accepted(self, record: dict[str, Any], number: int) -> dict[str, Any] | None:
        """Flatten a task of Label Studio; None of a record that an annotator rejected, skipped or has not seen."""
        if isinstance(record.get("data"), dict) and isinstance(record.get("annotations"), list):
            done = [each for each in record["annotations"] if not each.get("was_cancelled")]
            if len(done) > 1:
                self._note("records with several annotations, of which the first is taken", number)
            values = [item.get("value", {}) for item in done[0]["result"]] if done else []
            spans = [value for value in values if "start" in value]
            record = {**record["data"], "id": record.get("id"), "spans": spans, "answer": None if done else "ignore"}
        if record.get("answer") in ("reject", "ignore"):
            self._note("records without an accepted annotation, left out", number)
            return None
        return record

    def _field(self, record: Mapping[Any, Any], role: str, number: int) -> Any:
        """Find the field of a role, by its name and the kind of its value; None if there is none."""
        chosen, kind = self.columns.get(role), _KINDS.get(role, (str, int))
        if chosen is not None and chosen not in record:
            raise self._fault(number, f"the field {chosen!r}", list(record))
        known = _NAMES[role] if chosen is None else (chosen,)
        found = [name for name in known if isinstance(record.get(name), kind)]
        found = [name for name in found if record[name]] or found[:1]
        if len(found) > 1 and role in _KINDS:
            raise self._fault(number, f"one field of {role}", found, f"choose one: columns={{{role!r}: {found[0]!r}}}")
        return record[found[0]] if found else None

    def _tagged(
        self, tokens: Sequence[str], tags: Sequence[Any], record: Mapping[Any, Any], number: int, *lines: int
    ) -> Iterator[Sentence]:
        """Make a sentence of words and their labels, or the [first, last, type] of GLiNER."""
        if tags and all(isinstance(tag, (list, tuple)) and len(tag) == 3 for tag in tags):
            spans = [(first, last + 1, str(kind), f"words {first} to {last}") for first, last, kind in tags]
            tags = self._paint(len(tokens), spans, number)
        if len(tokens) != len(tags) or not all(isinstance(token, str) for token in tokens):
            raise self._fault(number, f"words, and a label for each of {len(tokens)}", tags)
        if tags and all(isinstance(tag, int) or str(tag).isdecimal() for tag in tags):
            ids = [int(tag) for tag in tags]
            unknown = [tag for tag in ids if not 0 <= tag < len(self.labels)]
            if unknown:
                way_out = "pass labels=['O', …], all labels in the order of their ids"
                raise self._fault(number, f"ids of {len(self.labels)} labels", unknown[0], way_out)
            tags = [self.labels[tag] for tag in ids]
        if not tokens:
            self._note("records without words, left out", number)
            return
        image, own = self._field(record, "image", number), self._field(record, "id", number)
        yield Sentence(
            list(tokens),
            [str(tag) for tag in tags],
            PurePath(str(image)).name if image not in (None, "") else None,
            number,
            lines or (number,),
            str(own) if own not in (None, "") else None,
        )

    def _spanned(
        self, text: str, tokens: Sequence[Any], items: Sequence[Any], record: Mapping[Any, Any], number: int
    ) -> Iterator[Sentence]:
        """Make a sentence of a text and its spans, which are moved to whole words."""
        words = [word for word in self._words(text, tokens, number) if text[word[0] : word[1]].strip()]
        found = []
        for span in self._spans(text, items, number):
            inside = [place for place, (start, stop) in enumerate(words) if stop > span.start and start < span.stop]
            surface = text[span.start : span.stop]
            if not inside:
                self._note("spans without a word, left out", number, repr(surface))
                continue
            whole = text[words[inside[0]][0] : words[inside[-1]][1]]
            if whole != surface.strip():
                self._note("spans that cut a word, moved", number, f"{surface!r} to {whole!r}")
            found.append((inside[0], inside[-1] + 1, span.type, repr(surface)))
        tags = self._paint(len(words), found, number)
        yield from self._tagged([text[start:stop] for start, stop in words], tags, record, number)

    def _words(self, text: str, tokens: Sequence[Any], number: int) -> list[tuple[int, int]]:
        """Give the ends of the words of a text: those of its tokens, or else as it divides."""
        if not tokens:
            return _SPLIT(text)[1]
        words, at = [], 0
        for token in tokens:
            is_string = isinstance(token, str)
            start = text.find(token, at) if is_string else token.get("start", -1)
            at = start + len(token) if is_string else token.get("end", -1)
            if start < 0 or at < start:
                raise self._fault(number, "tokens of the text", token)
            words.append((start, at))
        return words

    def _spans(self, text: str, items: Sequence[Any], number: int) -> list[Span]:
        """Read spans; offsets in UTF-16 units, as JavaScript counts, are known by the texts that go with them."""
        spans = [self._span(item, number) for item in items]
        if any(span.text is not None and text[span.start : span.stop] != span.text for span in spans):
            units = [place for place, letter in enumerate(text) for _ in range(1 + (ord(letter) > 0xFFFF))]
            units.append(len(text))
            if all(0 <= span.start < span.stop < len(units) for span in spans):
                spans = [span._replace(start=units[span.start], stop=units[span.stop]) for span in spans]
        for span in spans:
            surface = text[max(span.start, 0) : max(span.stop, 0)]
            if not 0 <= span.start < span.stop <= len(text) or (span.text or surface).strip() != surface.strip():
                wanted = f"{span.text or span.type!r} at {span.start} to {span.stop} of {len(text)} characters"
                raise self._fault(number, wanted, surface, "export the file again")
        return spans

    def _span(self, item: Any, number: int) -> Span:
        start = stop = kind = None
        if isinstance(item, dict):
            keys = (next((key for key in known if key in item), "") for known in (_STARTS, _STOPS, _TYPES))
            start, stop, kind = (item.get(key) for key in keys)
        elif isinstance(item, list) and len(item) >= 3:
            start, stop, kind = item[:3]
        if isinstance(kind, list) and kind:
            if len(kind) > 1:
                self._note("spans of several types, of which the first is taken", number, f"{kind}")
            kind = kind[0]
        if not (isinstance(start, int) and isinstance(stop, int) and isinstance(kind, str) and kind.strip()):
            raise self._fault(number, "[start, end, type] or {start, end, label}", item)
        return Span(start, stop, kind, item.get("text") if isinstance(item, dict) else None)

    def _paint(self, count: int, spans: Sequence[tuple[int, int, str, str]], number: int) -> list[str]:
        """Label words by spans of words; of spans that overlap, the longest is kept."""
        tags = ["O"] * count
        for start, stop, kind, surface in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
            if not 0 <= start < stop <= count:
                raise self._fault(number, f"positions of {count} words", [start, stop - 1, kind])
            if any(tag != "O" for tag in tags[start:stop]):
                self._note("spans within others, left out", number, f"{surface} ({kind})")
                continue
            tags[start:stop] = [f"B-{kind}"] + [f"I-{kind}"] * (stop - start - 1)
        return tags

    def _rows(self, text: str) -> tuple[list[tuple[int, list[str]]], dict[str, int]]:
        """Divide a table into cells; give its rows below the header, each with its line, and the columns of roles."""
        mark = max(",;\t", key=text.partition("\n")[0].count)
        is_quoted = mark != "\t" or '""""' in text
        quoting = csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, quoting=quoting)  # type: ignore[arg-type]
        try:
            rows = [(reader.line_num, cells) for cells in reader]
        except csv.Error as error:
            raise self._fault(reader.line_num, "a table", f"a damaged one ({error})", quoted=False) from None
        header = rows[0][1] if rows else []
        for number, cells in rows:
            if len(cells) != len(header) and any(cells):
                raise self._fault(number, f"{len(header)} columns, as in line 1", cells)
        places = self._places(header)
        has_no_header = isinstance(self.columns.get("tag"), int) and parse_tag(header[places["tag"]]) is not None
        return rows[not has_no_header :], places

    def _places(self, header: Sequence[str]) -> dict[str, int]:
        """Find the columns of roles, by their names or as they are chosen."""
        names = [re.sub(r"\W+", "_", name.lower()).strip("_") for name in header]
        places: dict[str, int] = {}
        for role, known in _NAMES.items():
            chosen = self.columns.get(role)
            found = [place for place, name in enumerate(names) if name in known]
            found.sort(key=lambda place: header[place].lower() not in known)  # Sentence before Sentence #
            if chosen is not None:
                found = [place for place, name in enumerate(header) if chosen in (name, place, place - len(header))]
            if (chosen is not None and not found) or (len(found) > 1 and role in ("token", "tag")):
                raise self._fault(1, f"one column of {role}", list(header), f"name it in columns={{{role!r}: …}}")
            places |= {role: found[0]} if found else {}
        return places

    def _by_word(self, rows: Sequence[tuple[int, list[str]]], places: Mapping[str, int]) -> Iterator[Sentence]:
        """Make sentences of rows of words: a new one where the sentence's cell changes, and at blank rows."""
        if "sentence" not in places and all(any(cells) for _, cells in rows):
            wanted, way_out = (
                "blank rows, or a column that tells sentences apart",
                "name it in columns={'sentence': …}",
            )
            raise self._fault(1, wanted, "neither", way_out, quoted=False)
        words: list[tuple[int, list[str]]] = []
        current = ""
        for number, cells in [*rows, (0, [])]:
            mark = cells[places["sentence"]] if any(cells) and "sentence" in places else ""
            if words and (not any(cells) or (mark and mark != current)):
                tokens, tags = ([word[places[role]] for _, word in words] for role in ("token", "tag"))
                record = self._record(words[0][1], places, "id", "image")
                yield from self._tagged(tokens, tags, record, words[0][0], *(line for line, _ in words))
                words = []
            current = mark or current
            words += [(number, cells)] if any(cells) else []

    def _by_sentence(self, rows: Sequence[tuple[int, list[str]]], places: Mapping[str, int]) -> Iterator[Sentence]:
        """Make a sentence of each row, whose words, labels or spans are lists or divided by spaces."""
        for number, cells in rows:
            if any(cells):
                lists = self._record(cells, places, "token", "tag", "spans")
                record = self._record(cells, places, "id", "image", "text")
                yield from self._sentences(record | {name: _parts(cell) for name, cell in lists.items()}, number)

    def _record(self, cells: Sequence[str], places: Mapping[str, int], *roles: str) -> dict[Any, Any]:
        return {self.columns.get(role, role): cells[places[role]] for role in roles if role in places}

    def _note(self, kind: str, number: int, what: str = "") -> None:
        self._noted.setdefault(kind, []).append(f"line {number} {what}".strip())

    def _fault(
        self, number: int, expected: str, found: Any, way_out: str = "correct it", quoted: bool = True
    ) -> ValueError:
        spelled = repr(found) if quoted else str(found)
        spelled = spelled if len(spelled) <= 120 else f"{spelled[:120]}…"
        return ValueError(f"{self.name}:{number}: expected {expected}, found {spelled}; {way_out}.")


def _holds_sentences(rows: Sequence[tuple[int, list[str]]], places: Mapping[str, int]) -> bool:
    """Tell whether rows hold sentences: several words and as many labels."""
    sample = [cells for _, cells in islice(rows, _SAMPLE) if any(cells)]
    counts = [[len(_parts(cells[places[role]])) for role in ("token", "tag")] for cells in sample]
    return any(words == tags > 1 for words, tags in counts)


def _parts(cell: str) -> list[Any]:
    """Read a cell that holds a list, as JSON or Python write it, or words divided by white space."""
    for read in (json.loads, ast.literal_eval) if cell.lstrip().startswith("[") else ():
        try:
            return list(read(cell))
        except (ValueError, SyntaxError, TypeError, RecursionError):
            continue
    return cell.split()


def _is_whole(line: str) -> bool:
    """Tell whether a line is an object or array of JSON."""
    try:
        return isinstance(json.loads(line), (dict, list))
    except (ValueError, RecursionError):
        return False


def _is_pair(value: Sequence[Any]) -> bool:
    """Tell a text with its annotation, as spaCy's examples have it, from a list of records."""
    return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)
