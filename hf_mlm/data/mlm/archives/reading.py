"""Rows of an archive: records with their columns read, faults beside them, divided into splits and cells."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Features, Image, List, Value
from numpy.typing import NDArray

from hf_mlm.data.checks import has_letters, image_defect
from hf_mlm.data.mlm.archives.columns import UNKNOWN_LANGUAGE, Columns, find_columns, language_tag, read_mapping
from hf_mlm.data.mlm.archives.faults import KINDS, Fault, count_faults, summary_of
from hf_mlm.data.mlm.archives.positions import BadPosition, Position, exif_position, read_position
from hf_mlm.data.mlm.archives.records import SPLIT, Files, Record, read_records
from hf_mlm.data.shards import pack_rows
from hf_mlm.data.splits import SPLITS, hash_split
from hf_mlm.geo.partition import GeoCellPartition, check_settings


MAX_EXTRA = 500  # columns
ROWS_PER_TABLE = 32  # with images that may be large
_SPLIT_OF = {"train": "train", "test": "test"}  # all others validate

logger = logging.getLogger(__name__)


def archive_features(cell_tokens: list[str], extra: tuple[str, ...]) -> Features:
    """Columns of an archive's rows.

    Args:
        cell_tokens: S2 tokens of the cells, sorted.
        extra: columns of the source that have no field.
    """
    text = Value("string")
    return Features(
        {
            "entity_id": text,
            "label": text,
            "summaries": List({"language": text, "text": text}),
            "images": List(Image()),
            "classes": List(text),
            "latitude": Value("float64"),
            "longitude": Value("float64"),
            "country": text,
            "date": text,
            "licence": text,
            "credit": text,
            "extra": dict.fromkeys(extra, text) if extra else Value("null"),
            "geo_cell": ClassLabel(names=cell_tokens),
        }
    )


@dataclass
class Entry:
    """A record that was read.

    Attributes:
        where: table and line or number, and the record's id.
        row: with ``images`` as names of files; None where the record is left out.
        faults: of the record.
        split: that the source gives it.
    """

    where: str
    row: dict[str, Any] | None
    faults: list[Fault]
    split: str | None = None


@dataclass(frozen=True)
class Archive:
    """A folder, a zip or a table of one's own, and how its columns are read.

    Attributes:
        source: its path.
        columns: their fields.
        extra: columns that have no field.
    """

    source: Path
    columns: Columns
    extra: tuple[str, ...] = ()

    @classmethod
    def open(cls, source: str | Path, mapping: str | Path | Mapping[str, Any] | None = None) -> Archive:
        """Find the tables and columns of an archive.

        Args:
            source: folder, zip archive or table.
            mapping: of fields to columns; see `hf_mlm.data.mlm.archives.columns.find_columns`.

        Raises:
            FileNotFoundError: if there is nothing at ``source``, or nothing in it.
            ValueError: if a table or the mapping cannot be read.
        """
        path = Path(source).expanduser().absolute()
        if not path.exists():
            raise FileNotFoundError(f"there is no folder or file {str(source)!r}; check the path.")
        files = Files(path)
        names: dict[str, None] = {}
        for record in read_records(files, read_mapping(mapping).get("encoding")):
            names.update(dict.fromkeys(record.values))
            if len(names) > MAX_EXTRA:
                raise ValueError(f"{record.where}: the records have more than {MAX_EXTRA} columns; take some out.")
        if not names:
            raise FileNotFoundError(
                f"{path} holds no records: expected a table (CSV, TSV, JSON, JSON lines, GeoJSON) or images."
            )
        columns = find_columns(names, mapping)
        return cls(path, columns, tuple(name for name in names if name not in columns.used))

    @cached_property
    def files(self) -> Files:
        """Its files."""
        return Files(self.source)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "files"}

    def entries(self) -> Iterator[Entry]:
        """Read the records, one at a time; images are looked for and not opened.

        Raises:
            ValueError: naming file and line, if a table cannot be read on.
        """
        seen: set[str] = set()
        for number, record in enumerate(read_records(self.files, self.columns.encoding), start=1):
            if record.fault is not None:
                yield Entry(record.where, None, [Fault("malformed record", record.where, record.fault)])
                continue
            entry = RecordReader(self, record, number).read()
            if entry.row is not None:
                if entry.row["entity_id"] in seen:
                    entry.faults.append(Fault("duplicate id", entry.where))
                seen.add(entry.row["entity_id"])
            yield entry

    def load_images(self, names: list[str], where: str, embed: bool) -> tuple[list[dict[str, Any]], list[Fault]]:
        """Decode images once, and give them as ``{"bytes", "path"}`` without those that are broken.

        Args:
            names: of the files.
            where: of the record.
            embed: whether the bytes are wanted; those of a zip archive always are.
        """
        images, faults = [], []
        for name in names:
            path = self.files.path(name)
            try:
                content = self.files.read(name) if embed or path is None else None
                if defect := image_defect(io.BytesIO(content) if path is None else path):  # type: ignore[arg-type]
                    raise ValueError(defect)
                images.append({"bytes": content, "path": name if path is None or embed else str(path)})
            except (OSError, ValueError) as error:
                faults.append(Fault("unreadable image", where, f"{name} {error}"))
        return images, faults


def stamp_of(source: Path, mapping: Any = None) -> str:
    """Give a digest of names, sizes and times of an archive's files and of the mapping of its columns.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if it is no archive, or the mapping is none.
    """
    files = Files(source)
    digest = hashlib.sha256(repr(read_mapping(mapping)).encode())
    paths = [source] if source.is_file() else []
    for path in paths + [path for name in files.names if (path := files.path(name))]:
        state = path.stat()
        digest.update(f"{path.name}:{state.st_size}:{state.st_mtime_ns};".encode())
    return digest.hexdigest()[:16]


class RecordReader:
    """Reads one record; faults gather in ``faults``.

    Args:
        archive: whose columns are read.
        record: of one of its tables.
        number: of the record, from 1.
    """

    def __init__(self, archive: Archive, record: Record, number: int) -> None:
        self.archive, self.columns, self.record, self.number = archive, archive.columns, record, number
        self.where = record.where
        self.faults: list[Fault] = []

    def read(self) -> Entry:
        """Read all fields."""
        entity_id = self._text(self.columns.id)
        self.where = f"{self.record.where} ({entity_id})" if entity_id else self.record.where
        images = self._images()
        if entity_id is None:
            stem = PurePosixPath(images[0] if images else self.record.table).stem
            entity_id = stem if images else f"{stem}-{self.number}"
            self._note("no id", entity_id)
        texts, position = self._texts(), self._position(images)
        for kind, found in (("no text", texts), ("no image", images), ("no coordinates", position)):
            if not found and not (kind == "no coordinates" and self._has_bad_position()):
                self._note(kind)
        if not (texts or images or position):
            self._note("empty record")
            return Entry(self.where, None, self.faults)
        row = {
            "entity_id": entity_id,
            "label": self._text(self.columns.title),
            "summaries": texts,
            "images": images,
            "classes": self._classes(),
            "latitude": position and position.latitude,
            "longitude": position and position.longitude,
            **{name: self._text(getattr(self.columns, name)) for name in ("country", "date", "licence", "credit")},
            "extra": {name: self._text(name) for name in self.archive.extra} or None,
        }
        return Entry(self.where, row, self.faults, self._split())

    def _note(self, kind: str, found: str = "") -> None:
        self.faults.append(Fault(kind, self.where, found))

    def _has_bad_position(self) -> bool:
        return any("coordinates" in fault.kind or "reference system" in fault.kind for fault in self.faults)

    def _text(self, column: str | None) -> str | None:
        """A cell as text; None where it is empty."""
        value = None if column is None else self.record.values.get(column)
        if value is None or (isinstance(value, float) and math.isnan(value)) or value == "":
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # as ids become in spreadsheets
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        return self._whole(text.strip()) or None

    def _whole(self, text: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            self._note("half a character", ascii(text[error.start]))
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text

    def _texts(self) -> list[dict[str, str]]:
        texts: list[dict[str, str]] = []
        for column, language in self.columns.texts.items():
            if column == self.columns.title and texts:
                continue  # a name is a text where there is no other
            for tag, text in _by_language(self.record.values.get(column), language):
                known = language_tag(tag)
                if known is None:
                    self._note("unknown language", tag)
                if not has_letters(text):
                    if text:
                        self._note("blank text", f"{column}: {ascii(text):.20}")
                    continue
                texts.append({"language": known or UNKNOWN_LANGUAGE, "text": self._whole(text.strip())})
        return texts

    def _images(self) -> list[str]:
        found = []
        for column in self.columns.images:
            value = self.record.values.get(column)
            listed = value if isinstance(value, list) else [value] if value not in (None, "") else []
            for name in (name for part in listed for name in self._names(part)):
                if file := self.archive.files.find(name, self.record.table):
                    found.append(file)
                else:
                    self._note("missing image", f"{name:.80}")
        return list(dict.fromkeys(found))

    def _names(self, value: Any) -> list[str]:
        """Names of files in a cell: a single one where there is such a file, else several between separators."""
        if isinstance(value, dict):
            value = value.get("file_name") or value.get("path") or json.dumps(value, default=str)
        text = str(value)
        if self.archive.files.find(text, self.record.table):
            return [text]
        return [part.strip() for part in re.split(self._separator(r"[;|\n]"), text) if part.strip()]

    def _separator(self, usual: str) -> str:
        return usual if self.columns.separator is None else re.escape(self.columns.separator)

    def _classes(self) -> list[str]:
        names = []
        for column in self.columns.classes:
            value = self.record.values.get(column)
            if isinstance(value, str):
                value = re.split(self._separator(r"[;|,]"), value)
            for name in value if isinstance(value, list) else [value] if value is not None else []:
                names.append(self._whole(str(name).strip()))
        return list(dict.fromkeys(filter(None, names)))

    def _position(self, images: list[str]) -> Position | None:
        names = self.columns.latitude, self.columns.longitude, self.columns.coordinates
        latitude, longitude, both = (self.record.values.get(name) if name else None for name in names)
        try:
            position = read_position(latitude, longitude, both, self.columns.longitude_first)
            if position is None and self.columns.exif_gps:
                found = (exif_position(self.archive.files.read(name)) for name in images)
                position = next((each for each in found if each), None)
        except BadPosition as error:
            self._note(error.kind, error.found)
            return None
        if position is not None and position.repaired:
            self._note(position.repaired, f"{position.longitude + 360:g}")
        return position

    def _split(self) -> str | None:
        """The split of the column, or of the folder or the table that the record lies in."""
        path = PurePosixPath(self.record.table)
        told = self._text(self.columns.split) or ""
        for name in (told, path.parent.name, path.name.partition(".")[0]):
            if match := SPLIT.fullmatch(name):
                return _SPLIT_OF.get(match[1].lower(), "validation")
        return None


def _by_language(value: Any, language: str) -> Iterator[tuple[str, str]]:
    """Give the language and the text of what a cell holds: a text, texts by language, or a list of either."""
    if isinstance(value, list):
        for part in value:
            yield from _by_language(part, language)
    elif isinstance(value, dict) and isinstance(value.get("text"), str):
        yield str(value.get("language") or language), value["text"]
    elif isinstance(value, dict):
        for tag, text in value.items():
            yield from _by_language(text, tag)
    elif value is not None and not (isinstance(value, float) and math.isnan(value)):
        yield language, str(value)


@dataclass(frozen=True)
class ArchiveShard:
    """Records of one split.

    Attributes:
        archive: that they are read from.
        numbers: int64 (rows,), positions among the records that are kept, ascending.
        cells: int64 (rows,), -1 where a record has none.
        embed: whether images are read into the rows.
        faults: counts of the images' faults, filled by ``tables``.
    """

    archive: Archive
    numbers: NDArray[np.int64]
    cells: NDArray[np.int64]
    embed: bool = False
    faults: Counter[str] = field(default_factory=Counter)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read the rows; broken images are left out, counted and told in one line."""
        cells = dict(zip(self.numbers.tolist(), self.cells.tolist(), strict=True))
        kept = (entry for entry in self.archive.entries() if entry.row is not None)
        for number, entry in enumerate(kept):
            if number not in cells or entry.row is None:
                continue
            images, faults = self.archive.load_images(entry.row["images"], entry.where, self.embed)
            self.faults.update(fault.kind for fault in faults)
            cell = cells[number]
            yield entry.row | {"images": images, "geo_cell": None if cell < 0 else cell}
        if self.faults:
            logger.warning("%s: left out: %s.", self.archive.source, summary_of(dict(self.faults)))

    def tables(self) -> Iterator[pa.Table]:
        """Read the rows, some dozens at a time.

        Raises:
            ValueError: naming file and line, if a table cannot be read on.
        """
        return pack_rows(self.rows(), archive_features([], self.archive.extra), ROWS_PER_TABLE)


@dataclass(frozen=True)
class ArchiveSource:
    """Rows of an archive by split.

    Attributes:
        features: columns of the rows.
        splits: shards of each split that has rows.
        counts: faults by kind, but for those that only decoding shows.
        rows: number of rows.
        located: number of rows with coordinates.
    """

    features: Features
    splits: dict[str, list[ArchiveShard]]
    counts: dict[str, int]
    rows: int
    located: int


@dataclass(frozen=True)
class ArchiveCells:
    """How cells are made of an archive's positions; None follows from how many there are.

    Attributes:
        max_entities: of a cell: a fiftieth of the records with coordinates, between 10 and 500.
        min_entities: of a cell: a tenth of ``max_entities``, between 2 and 20.
        rule: ``"paper"`` or ``"authors"``.
    """

    max_entities: int | None = None
    min_entities: int | None = None
    rule: str = "paper"

    def settings(self, located: int) -> tuple[int, int, str]:
        """Give the arguments of `GeoCellPartition.fit` for so many records with coordinates.

        Raises:
            ValueError: as `hf_mlm.geo.partition.check_settings`.
        """
        most = min(max(located // 50, 10), 500) if self.max_entities is None else self.max_entities
        least = min(max(most // 10, 2), 20) if self.min_entities is None else self.min_entities
        check_settings(most, least, self.rule)
        return most, least, self.rule


ADAPTIVE = ArchiveCells()


def open_archive(
    archive: Archive, cells: ArchiveCells = ADAPTIVE, seed: int = 0, embed: bool = False
) -> ArchiveSource:
    """Read all records once, make cells of those with coordinates, divide them, and tell what is left out.

    Args:
        archive: to read.
        cells: how to make cells; a record in too sparse a region, or without coordinates, has none.
        seed: of the split, where the source gives none or only one.
        embed: whether images are read into the rows.

    Raises:
        ValueError: if no record is left, or a table cannot be read.
    """
    counts: Counter[str] = Counter()
    ids: list[str] = []
    places: list[tuple[float, float]] = []
    given: list[str | None] = []
    records = 0
    for entry in archive.entries():
        records += 1
        counts.update(fault.kind for fault in entry.faults)
        if (row := entry.row) is not None:
            ids.append(row["entity_id"])
            places.append((np.nan, np.nan) if row["latitude"] is None else (row["latitude"], row["longitude"]))
            given.append(entry.split)
    if not ids:
        raise ValueError(f"{archive.source}: none of {records:,} records is left ({summary_of(dict(counts))}).")
    latitudes, longitudes = np.array(places).T
    located = int(np.isfinite(latitudes).sum())
    tokens, assigned = _cells(latitudes, longitudes, cells.settings(located))
    counts["no cell"] = located - int((assigned >= 0).sum())
    names = np.array(SPLITS)[hash_split(ids, seed=seed)]
    if len(set(given)) > 1:  # a single one says nothing
        names = np.array([told or name for told, name in zip(given, names.tolist(), strict=True)])
    splits = {
        split: [ArchiveShard(archive, numbers, assigned[numbers], embed)]
        for split in SPLITS
        if len(numbers := np.flatnonzero(names == split))
    }
    listed = count_faults(Fault(kind, "") for kind in counts.elements())
    source = ArchiveSource(archive_features(tokens, archive.extra), splits, listed, len(ids), located)
    _tell(archive, source, records)
    return source


def _cells(
    latitudes: NDArray[np.float64], longitudes: NDArray[np.float64], settings: tuple[int, int, str]
) -> tuple[list[str], NDArray[np.int64]]:
    """Tokens of the cells, and the cell of each record, -1 where it has none."""
    known = np.flatnonzero(np.isfinite(latitudes))
    assigned = np.full(len(latitudes), -1)
    try:
        partition = GeoCellPartition.fit(latitudes[known], longitudes[known], *settings)
    except ValueError:  # too few, or none
        return [], assigned
    assigned[known] = partition.assign(latitudes[known], longitudes[known])
    return partition.tokens, assigned


def _tell(archive: Archive, source: ArchiveSource, records: int) -> None:
    bad, absent = summary_of(source.counts), summary_of(source.counts, ("note",))
    told = f"{archive.source}: {records:,} records, {source.rows:,} rows, {source.located:,} with coordinates"
    told += f" in {source.features['geo_cell'].num_classes:,} cells"
    told += f"; left out or repaired: {bad}" if bad else ""
    told += f"; absent: {absent}" if absent else ""
    level = logging.WARNING if any(KINDS[kind].severity == "error" for kind in source.counts) else logging.INFO
    logger.log(level, "%s; `hf-mlm data check` lists them.", told)
