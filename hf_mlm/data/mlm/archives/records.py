"""Files of an archive, in a folder, in a zip or alone, and the records of its tables.

Tables are CSV, TSV, JSON (a list, or objects one after the other), JSON lines and GeoJSON, plain or gzipped. A folder
without a table has a record for each image.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, TextIO, cast

from hf_mlm.data.checks import check_not_empty


TABLE = re.compile(r"\.(csv|tsv|json|jsonl|ndjson|geojson)(\.gz)?$", re.IGNORECASE)
IMAGE = re.compile(r"\.(jpe?g|png|webp|gif|tiff?|bmp|jp2|avif|hei[cf])$", re.IGNORECASE)
SPLIT = re.compile(r"(?:^|.*[^a-z])(train|val|valid|validation|dev|test)(?:[^a-z].*)?$", re.IGNORECASE)
MAX_FILES = 2_000_000
MAX_TEXT = 1 << 26  # characters of a line, or of an entry of a list
_BLOCK = 1 << 20
_HINT = "save it as UTF-8, or name its encoding among the columns, such as encoding: cp1252"
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


class Record(NamedTuple):
    """An entry of a table.

    Args:
        where: table and line or number, for messages.
        values: by column; empty where the entry is malformed.
        table: name of the table.
        fault: why it is malformed; None where it is well.
    """

    where: str
    values: dict[str, Any]
    table: str
    fault: str | None = None


class Files:
    """Files of a folder or a zip archive, found whatever the Unicode form and the case of their names.

    Args:
        root: folder, zip archive, or a single table, whose neighbours then count.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if it is a damaged zip archive, a file that is no table, or a folder of too many files.
    """

    def __init__(self, root: Path) -> None:
        self.root, self._zip, self._table = root, None, None
        if root.is_dir():
            names = _walk(root)
        elif zipfile.is_zipfile(root):
            self._zip = zipfile.ZipFile(root)
            names = iter([info.filename for info in self._zip.infolist() if not info.is_dir()])
        else:
            check_not_empty(root)
            if not TABLE.search(root.name):
                raise ValueError(f"Expected a folder, a zip or a table (CSV, TSV, JSON, GeoJSON), found {root}.")
            self.root, self._table = root.parent, root.name
            names = _walk(root.parent)
        self.names: list[str] = []
        for name in names:
            if not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts):
                self.names.append(name)
            if len(self.names) > MAX_FILES:
                raise ValueError(f"{root} holds more than {MAX_FILES:,} files; give the folder of the archive alone.")
        self._by_key: dict[str, str] = {}
        self._by_base: dict[str, str | None] = {}
        for name in self.names:
            self._by_key.setdefault(_key(name), name)
            base = _key(PurePosixPath(name).name)
            self._by_base[base] = None if base in self._by_base else name  # None: several have it

    @property
    def tables(self) -> list[str]:
        """Names of the tables: ``metadata.*`` where there are such, else those that lie nearest to the root.

        Raises:
            ValueError: if there are several to choose from.
        """
        if self._table is not None:
            return [self._table]
        found = [name for name in self.names if TABLE.search(name)]
        described = [name for name in found if PurePosixPath(name).name.lower().startswith("metadata.")]
        if described:
            return described
        depth = min((name.count("/") for name in found), default=0)
        nearest = [name for name in found if name.count("/") == depth]
        stems = [PurePosixPath(name).name for name in nearest]
        if len(nearest) > 1 and not all(SPLIT.match(stem) or stem.upper().startswith("MLM") for stem in stems):
            raise ValueError(
                f"{self.root} holds several tables ({', '.join(stems[:5])}); give one of them by its path."
            )
        return nearest

    @property
    def images(self) -> list[str]:
        """Names of the images."""
        return [name for name in self.names if IMAGE.search(name)]

    def find(self, name: str, table: str) -> str | None:
        """Name of the file that a table means; None where there is none, or it lies outside.

        Args:
            name: relative to the table, to the root or to a folder ``images`` beside the table, or a bare file name
                that no other file has.
            table: name of the table.
        """
        path = PurePosixPath(name.strip().replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name:
            return None
        beside = PurePosixPath(table).parent
        for candidate in (beside / path, path, beside / "images" / path):
            if found := self._by_key.get(_key(str(candidate))):
                return found
        return self._by_base.get(_key(str(path)))

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading bytes.

        Raises:
            ValueError: if it is a damaged or encrypted member of a zip archive.
            OSError: if it cannot be read.
        """
        if self._zip is None:
            return (self.root / name).open("rb")
        try:
            return cast(BinaryIO, self._zip.open(name))
        except _DAMAGED as error:
            raise ValueError(f"{self.root}: {name} cannot be read ({error}); pack the archive again.") from error

    def path(self, name: str) -> Path | None:
        """Path on disk; None in a zip archive."""
        return self.root / name if self._zip is None else None

    def read(self, name: str, limit: int = 1 << 28) -> bytes:
        """Read a whole file.

        Raises:
            ValueError: if it is larger than ``limit`` bytes, or damaged.
            OSError: if it cannot be read.
        """
        with self.open(name) as file:
            try:
                content = file.read(limit + 1)
            except _DAMAGED as error:
                raise ValueError(f"is damaged in the archive ({error})") from error
        if len(content) > limit:
            raise ValueError(f"has more than {limit >> 20} MB")
        return content


def read_records(files: Files, encoding: str | None = None) -> Iterator[Record]:
    """Read the records of all tables, or one for each image where there is no table.

    Args:
        files: of the archive.
        encoding: of the tables; UTF-8, or what a byte order mark tells, when None.

    Raises:
        ValueError: naming file and line, if a table cannot be read on.
    """
    tables = files.tables
    for name in files.images if not tables else ():
        yield Record(name, {"file_name": name}, name)
    for table in tables:
        where = str(files.root / table)
        with files.open(table) as file, _decoded(where, _HINT), _text(file, encoding, where) as text:
            yield from (_read_csv if re.search(r"\.[ct]sv", table.lower()) else _read_json)(text, table, where)


def read_json(path: Path) -> Iterator[Any]:
    """Read the entries of a JSON file: of a list, or objects one after the other.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming file and line, if it is empty, not text or not JSON.
    """
    check_not_empty(path)
    with path.open("rb") as file, _decoded(str(path)), _text(file, None, str(path)) as text:
        yield from _json_values(text, str(path))


def same_name(path: Path) -> Path:
    """Give the file whose name is the same but for its Unicode form; the path itself where there is none."""
    if path.name.isascii() or path.exists():
        return path
    return path.with_name(_listed(path.parent).get(_key(path.name), path.name))


@lru_cache(maxsize=8)
def _listed(folder: Path) -> dict[str, str]:
    return {_key(name): name for name in os.listdir(folder)} if folder.is_dir() else {}


@contextmanager
def _decoded(where: str, hint: str = "convert it, for instance with `iconv -t UTF-8`") -> Iterator[None]:
    """Name the file of an error of decoding or decompressing."""
    try:
        yield
    except UnicodeDecodeError as error:
        found = f"byte {error.start}: {error.object[error.start : error.start + 1]!r}"
        raise ValueError(f"{where} is not {error.encoding.upper()} ({found}); {hint}.") from error
    except _DAMAGED as error:
        raise ValueError(f"{where} is damaged ({error}); copy or compress it again.") from error


def _walk(root: Path) -> Iterator[str]:
    """Relative names of all files below a folder; links are followed, each folder once."""
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        state = os.stat(folder)
        if (state.st_dev, state.st_ino) in seen:
            folders.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        folders.sort()
        below = Path(folder).relative_to(root)
        yield from ((below / name).as_posix() for name in sorted(names))


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _text(file: BinaryIO, encoding: str | None, where: str) -> TextIO:
    """Decode a table: gzip by its first bytes, the encoding by its byte order mark."""
    buffered = io.BufferedReader(cast(Any, file), _BLOCK)
    if buffered.peek(2).startswith(b"\x1f\x8b"):
        buffered = io.BufferedReader(cast(Any, gzip.GzipFile(fileobj=buffered)), _BLOCK)
    start = buffered.peek(4)[:4]
    if start.startswith((b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise ValueError(f"{where} is no text but a spreadsheet, a zip or Parquet; save it as CSV.")
    if encoding is None:
        wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))
        zeros = start[1:2] == b"\0" and b"utf-16-le" or start[:1] == b"\0" and b"utf-16-be"
        encoding = "utf-16" if wide else zeros.decode() if zeros else "utf-8-sig"
    try:
        return io.TextIOWrapper(buffered, encoding, newline="")
    except LookupError as error:
        raise ValueError(f"encoding={encoding!r} is unknown; name one such as utf-8 or cp1252.") from error


def _lines(text: TextIO, where: str) -> Iterator[str]:
    while line := text.readline(MAX_TEXT):
        if len(line) == MAX_TEXT:
            raise ValueError(f"{where} has a line of more than {MAX_TEXT >> 20} MB; it is no table.")
        yield line


def _read_csv(text: TextIO, table: str, where: str) -> Iterator[Record]:
    csv.field_size_limit(MAX_TEXT)
    lines = _lines(text, where)
    head = next((line for line in lines if line.strip()), "")
    delimiter = max("\t;,|", key=head.count)
    reader = csv.reader(_after(head, lines), delimiter=delimiter, strict=True)
    try:
        header = _distinct([name.strip() for name in next(reader, [])])
        for cells in reader:
            here = f"{where}, line {reader.line_num}"
            if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
                yield Record(here, {}, table, f"{len(cells)} cells under a header of {len(header)}")
            elif any(cell.strip() for cell in cells):
                yield Record(here, dict(zip(header, cells, strict=False)), table)
    except csv.Error as error:
        raise ValueError(f"{where}, line {reader.line_num}: the quotes do not match ({error}); correct it.") from error


def _after(head: str, lines: Iterator[str]) -> Iterator[str]:
    yield head
    yield from lines


def _distinct(header: Sequence[str]) -> list[str]:
    """Name each column once: a second "title" becomes "title (2)", one without a name "column 3"."""
    names: list[str] = []
    for number, name in enumerate(header, start=1):
        name, count = name or f"column {number}", 2
        while name in names:
            name, count = f"{header[number - 1]} ({count})", count + 1
        names.append(name)
    return names


def _read_json(text: TextIO, table: str, where: str) -> Iterator[Record]:
    for number, value in enumerate(_json_values(text, where), start=1):
        here = f"{where}, entity {number}"
        if not isinstance(value, dict):
            yield Record(here, {}, table, f"a {type(value).__name__} instead of an object")
        elif value.get("type") == "Feature" and "geometry" in value:
            own = {"id": value["id"]} if value.get("id") is not None else {}
            told = value["properties"] if isinstance(value.get("properties"), dict) else {}
            yield Record(here, own | told | {"geometry": value["geometry"]}, table)
        else:
            yield Record(here, value, table)


def _json_values(text: TextIO, where: str) -> Iterator[Any]:
    """Read the entries of a list, objects one after the other, or the one list that an object holds."""
    values = _json_stream(text, where)
    first = list(islice(values, 2))
    if len(first) == 1 and isinstance(first[0], dict):
        yield from _only_list(first[0], where)
        return
    yield from first
    yield from values


def _json_stream(text: TextIO, where: str) -> Iterator[Any]:
    """Decode JSON values as they are asked for, with no more of the file in memory than the next of them needs."""
    decode, buffer, line = json.JSONDecoder().raw_decode, text.read(_BLOCK).lstrip(), 1
    in_list, more = buffer.startswith("["), bool(buffer)
    between, end = re.compile(r"[\s,]*" if in_list else r"\s*"), int(in_list)
    while True:
        start = cast(re.Match[str], between.match(buffer, end)).end()
        try:
            if in_list and buffer[start : start + 1] == "]":
                return
            value, end = decode(buffer, start)
            yield value
        except (RecursionError, ValueError) as error:
            done = start == len(buffer)
            if isinstance(error, RecursionError) or (len(buffer) - start > MAX_TEXT) or not (more or done):
                raise _not_json(error, where, line) from error
            if not more and done:
                break
            added = text.read(max(_BLOCK, len(buffer) - start))
            line += buffer.count("\n", 0, start)
            buffer, end, more = buffer[start:] + added, 0, bool(added)
    if in_list:
        raise ValueError(f"{where} ends within its list; the copy is incomplete: fetch it again.")


def _not_json(error: Exception, where: str, line: int) -> ValueError:
    if isinstance(error, RecursionError):
        return ValueError(f"{where} is nested too deeply to be a list of entities; fetch it again.")
    if isinstance(error, json.JSONDecodeError):
        at = f"line {line + error.lineno - 1}, column {error.colno}"
        return ValueError(
            f"{where}, {at} is not JSON ({error.msg}); the copy is incomplete or edited: fetch it again."
        )
    return ValueError(f"{where} holds a number of thousands of digits ({error}); correct it.")


def _only_list(content: dict[str, Any], where: str) -> list[Any]:
    """Give the features of a GeoJSON collection, the one list of objects in an object, or the object itself."""
    if content.get("type") == "FeatureCollection":
        system = re.search(r"EPSG:+(\d+)", json.dumps(content.get("crs")))
        if system and system[1] != "4326":
            raise ValueError(f"{where} is in the reference system {system[0]}; transform it to WGS 84 (EPSG:4326).")
        features = content.get("features")
        return features if isinstance(features, list) else []
    lists = [value for value in content.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
    return lists[0] if len(lists) == 1 and not {"id", "coordinates"} & set(content) else [content]
