"""Stages of a construction: chains of datatrove blocks whose tasks write Parquet, each with a manifest.

A manifest tells inputs, code and output of a task or of a whole stage; the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

import hf_mlm
from hf_mlm.files import full_disk_in_words, read_json, reason_of, sha256_of, write_text


MANIFEST = "manifest.json"
_FORMAT = "hf_mlm construction stage, version 1"


@dataclass
class Ledger:
    """Counts and facts that the blocks of one task collect for its manifest.

    Attributes:
        dropped: reason -> rows that were left out.
        noted: remark on rows that were kept, such as "several coordinates" -> count.
        inputs: name of a file (or of a range of its bytes) -> SHA-256 of the bytes that were read.
        facts: everything else that decides about the output, such as the text of a query or the date of a dump.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    inputs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def clear(self) -> None:
        """Empty all four, at the start of a task."""
        for part in (self.dropped, self.noted, self.inputs, self.facts):
            part.clear()


@dataclass(frozen=True)
class OutputFile:
    """A finished Parquet file, with its name relative to the folder of its stage."""

    name: str
    bytes: int
    rows: int
    sha256: str

    @classmethod
    def of(cls, path: Path, rows: int, folder: Path) -> OutputFile:
        """Describe a file that is complete, in the folder of its stage or below it."""
        return cls(path.relative_to(folder).as_posix(), path.stat().st_size, rows, sha256_of(path))

    def is_in(self, folder: Path) -> bool:
        """Tell whether the folder holds a file of this name and size."""
        path = folder / self.name
        return path.is_file() and path.stat().st_size == self.bytes

    def is_whole(self, folder: Path) -> bool:
        """Tell whether the folder holds a file of this name, size and hash."""
        path = folder / self.name
        return self.is_in(folder) and _sha256(path, path.stat().st_mtime_ns) == self.sha256


@cache
def _sha256(path: Path, changed: int) -> str:
    """SHA-256 of a file, read once until it is ``changed`` again."""
    return sha256_of(path)


@dataclass(frozen=True)
class StageManifest:
    """Inputs, code and output of a task, or of all tasks of a stage together.

    Attributes:
        code: see `code_version`.
        files: in the order of the tasks.
        inputs, facts, dropped, noted: as in `Ledger`, of all tasks.
    """

    stage: str
    code: str
    files: list[OutputFile]
    inputs: dict[str, str]
    facts: dict[str, Any]
    dropped: dict[str, int]
    noted: dict[str, int]

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)

    @property
    def results(self) -> int:
        """Rows of the stage; of MLM's dataset those of the config ``mlm``, which has every entity once."""
        return sum(file.rows for file in self.files if "/" not in file.name or file.name.startswith("mlm/"))

    @property
    def sha256(self) -> str:
        """Of the manifest itself: equal hashes mean equal inputs, code and output."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    @classmethod
    def of_task(cls, stage: str, files: list[OutputFile], ledger: Ledger, package: str | None = None) -> StageManifest:
        """The manifest of one task; ``package`` as in `code_version`."""
        kept = {name: dict(sorted(part.items())) for name, part in vars(ledger).items()}
        return cls(stage, code_version(package), files, **kept)

    @classmethod
    def merged(cls, parts: Iterable[StageManifest]) -> StageManifest:
        """The manifest of all tasks together; there is at least one."""
        listed = list(parts)
        inputs = {name: sha256 for part in listed for name, sha256 in sorted(part.inputs.items())}
        facts = {name: fact for part in listed for name, fact in part.facts.items()}
        dropped, noted = (
            sum((Counter(getattr(part, name)) for part in listed), Counter[str]()) for name in ("dropped", "noted")
        )
        files = [file for part in listed for file in part.files]
        counts = (dict(sorted(total.items())) for total in (dropped, noted))
        return cls(listed[0].stage, listed[0].code, files, dict(sorted(inputs.items())), facts, *counts)

    @classmethod
    def load(cls, path: Path) -> StageManifest:
        """Read a manifest.

        Raises:
            FileNotFoundError: if there is none, which means that the stage or task is not finished.
            ValueError: if the file is not one.
        """
        if not path.is_file():
            raise FileNotFoundError(
                f"Expected a finished stage {path.parent.name!r}, found no {path}; run the same command again, it "
                "goes on where it stopped."
            )
        try:
            content: dict[str, Any] = read_json(path, "build into an empty folder")
            if content.pop("format") != _FORMAT:
                raise KeyError("format")
            return cls(files=[OutputFile(**entry) for entry in content.pop("files")], **content)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"Expected a manifest of this version in {path}, found {reason_of(error)}; build into an empty folder."
            ) from error

    def save(self, path: Path) -> None:
        """Write the manifest; a reader sees the old one or the new one, never half."""
        write_text(path, self._text())

    def _text(self) -> str:
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1, ensure_ascii=False)


_SHARED = ("construction.stage", "construction.http", "data.checks", "data.splits")
SOURCES = {
    "mlm": ("construction.mlm", "data.mlm", "geo", *_SHARED),
    "mmnerd": ("construction.mmnerd", "data.mmnerd", "data.text_file", "data.words", *_SHARED),
}


@cache
def code_version(package: str | None = None) -> str:
    """Version of hf_mlm and a short hash of the sources that decide about the output of a construction.

    Args:
        package: ``"mlm"`` or ``"mmnerd"``, of whose `SOURCES` a change counts; of both when omitted.

    Raises:
        FileNotFoundError: if a source is not there, so that a moved file cannot leave a stale build.
    """
    root = Path(__file__).parent.parent
    names = SOURCES[package] if package else {name for listed in SOURCES.values() for name in listed}
    digest = hashlib.sha256()
    for name in sorted(names):
        path = root.joinpath(*name.split("."))
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]:
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return f"{hf_mlm.__version__}+{digest.hexdigest()[:12]}"


ROWS_PER_GROUP = 1024
_PACKAGE = re.compile(r"hf_mlm\.construction\.(\w+)\.")
_T = TypeVar("_T")
Row: TypeAlias = dict[str, Any]


class Block(PipelineStep):
    """A datatrove step that counts dropped and noteworthy rows in the ledger of its task."""

    name = "block"
    type = "hf_mlm"

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Turn the documents of a task into others.

        Args:
            data: documents of the block before; None for the first.
            rank: number of the task.
            world_size: number of tasks.
        """
        raise NotImplementedError

    def drop(self, reason: str, count: int = 1) -> None:
        """Count rows that are left out."""
        if count:
            self.ledger.dropped[reason] += count
            self.stat_update(f"dropped: {reason}", value=count)

    def note(self, what: str, count: int = 1) -> None:
        """Count a remark on rows that are kept."""
        if count:
            self.ledger.noted[what] += count

    def reader(self, folder: Path, whole: bool = True, columns: Sequence[str] | None = None) -> ReadStage:
        """A reader of an earlier stage, whose files count as inputs of this block; arguments as of `ReadStage`."""
        reader = ReadStage(folder, whole, columns)
        reader.ledger = self.ledger
        return reader

    def read(self, folder: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """All rows of an earlier stage, as `reader` gives them."""
        return self.reader(folder, columns=columns).rows()


def to_document(row: Row) -> Document:
    """Wrap a row, which has an ``id``, for the blocks of datatrove."""
    return Document(text=row.get("label") or "", id=row["id"], metadata=row)


class ReadStage(Block):
    """Reads rows of an earlier stage: of the file of the same task, or of all where ``whole`` is set."""

    name = "read stage"

    def __init__(self, folder: Path, whole: bool = False, columns: Sequence[str] | None = None) -> None:
        super().__init__()
        self.folder, self.whole, self.columns = folder, whole, columns

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give the rows in the order of the files."""
        for row in self.rows(rank, world_size):
            yield to_document(row)

    def rows(self, rank: int = 0, world_size: int = 1) -> Iterator[Row]:
        """Give dicts, for a block that reads several stages.

        Raises:
            FileNotFoundError: if the stage is not finished.
            ValueError: if it was run with another number of tasks, or a file is not as its manifest says.
        """
        for row, _ in self.rows_of_tasks(rank, world_size):
            yield row

    def rows_of_tasks(self, rank: int = 0, world_size: int = 1) -> Iterator[tuple[Row, int]]:
        """Give dicts, each with the number of the task that wrote it; raises as `rows`."""
        files = StageManifest.load(self.folder / MANIFEST).files
        if not self.whole and len(files) != world_size:
            raise ValueError(
                f"Expected {world_size} tasks in {self.folder}, found {len(files)}; build with the number of tasks it "
                "was begun with, or into an empty folder."
            )
        for task in range(len(files)) if self.whole else [rank]:
            self.ledger.inputs[f"{self.folder.name}/{files[task].name}"] = files[task].sha256
            for row in read_rows(self.folder, files[task], self.columns):
                yield row, task


class WriteStage(Block):
    """Writes the rows of a task and then its manifest, whose presence tells that the task is finished."""

    name = "write stage"

    def __init__(self, folder: Path, schema: pa.Schema, package: str | None = None) -> None:
        super().__init__()
        self.folder, self.schema, self.package = folder, schema, package

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Write everything; gives nothing.

        Raises:
            OSError: if the disk is full; nothing half-written is left under a final name.
        """
        self.ledger.clear()  # a job may run several tasks with the same blocks
        rows = (document.metadata for document in data or ())
        with full_disk_in_words(self.folder, "and run the same command again: finished tasks are kept"):
            self.folder.mkdir(parents=True, exist_ok=True)
            file = write_rows(self.folder / f"{rank:05d}.parquet", rows, self.schema)
            manifest = StageManifest.of_task(self.folder.name, [file], self.ledger, self.package)
            manifest.save(self.folder / f"{rank:05d}.json")
        self.stat_update("rows", value=file.rows)
        return iter(())


class SealStage(Block):
    """Merges the manifests of a stage's tasks into ``manifest.json``, which later stages wait for."""

    name = "seal stage"

    def __init__(self, folder: Path, tasks: int, required: bool = False) -> None:
        super().__init__()
        self.folder, self.tasks, self.required = folder, tasks, required

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Merge; gives nothing.

        Raises:
            FileNotFoundError: if a task is not finished.
            ValueError: if the stage has no row and needs one; the message counts the reasons.
        """
        parts = [StageManifest.load(self.folder / f"{task:05d}.json") for task in range(self.tasks)]
        remove_unfinished(self.folder)
        merged = StageManifest.merged(parts)
        if self.required and not merged.rows:
            reasons = ", ".join(f"{count:,} dropped because of {why!r}" for why, count in merged.dropped.items())
            raise ValueError(
                f"Expected {self.folder.name} after the stage {self.folder.name!r}, found none: "
                f"{reasons or 'nothing came in'}; change the build config or the source, and give an empty folder."
            )
        merged.save(self.folder / MANIFEST)
        return iter(())


@dataclass(frozen=True)
class Stage:
    """One step of a construction.

    Attributes:
        folder: of its files; the folder's name is the stage's.
        blocks: from the source of rows to the last that changes them.
        schema: of the rows that are written, which have an ``id``.
        tasks: parts of the work.
        polite: true if the blocks ask a public service, a few tasks at once.
        required: true if the build ends where this stage has no row.
    """

    folder: Path
    blocks: Sequence[Block]
    schema: pa.Schema
    tasks: int = 1
    polite: bool = False
    required: bool = False

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.folder.name

    @property
    def package(self) -> str | None:
        """The package of `hf_mlm.construction` that the blocks are from; None where they are from elsewhere."""
        found = (_PACKAGE.match(type(block).__module__) for block in self.blocks)
        return next((match[1] for match in found if match and match[1] in SOURCES), None)

    def writer(self) -> Block:
        """The block that ends the chain."""
        return WriteStage(self.folder, self.schema, self.package)

    def seal(self) -> Block:
        """The block that runs once after all tasks."""
        return SealStage(self.folder, self.tasks, self.required)

    def pipeline(self) -> list[PipelineStep]:
        """The datatrove pipeline: the blocks and the writer, with one ledger for all."""
        chain = [*self.blocks, self.writer()]
        ledger = Ledger()
        for block in chain:
            block.ledger = ledger
        return list(chain)

    def is_sealed(self) -> bool:
        """Tell whether the stage is finished and its files are as they were."""
        return self._has(MANIFEST)

    def is_finished(self, task: int) -> bool:
        """Tell whether a task is finished and its files are as they were."""
        return self._has(f"{task:05d}.json")

    def _has(self, name: str) -> bool:
        path = self.folder / name
        return path.is_file() and all(file.is_whole(self.folder) for file in StageManifest.load(path).files)


def write_rows(path: Path, rows: Iterable[Row], schema: pa.Schema) -> OutputFile:
    """Write rows to Parquet under a temporary name and rename the file when it is complete."""
    temporary = path.with_name(f"{path.name}.part")  # what a killed task left is overwritten
    written, remaining = 0, iter(rows)
    try:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            while part := list(islice(remaining, ROWS_PER_GROUP)):
                writer.write_table(pa.Table.from_pylist(part, schema=schema))
                written += len(part)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return OutputFile.of(path, written, path.parent)


def remove_unfinished(folder: Path) -> None:
    """Remove the unfinished files of killed writers in a folder, or below it, in which nobody writes at the time."""
    for path in list(folder.rglob("*.part")):
        path.unlink(missing_ok=True)


def read_rows(folder: Path, file: OutputFile, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Read rows that `write_rows` has written.

    Raises:
        ValueError: if the file is missing, of another size or damaged.
    """
    path = folder / file.name
    if not file.is_in(folder):
        raise ValueError(
            f"Expected {file.bytes:,} bytes in {path}, found another size or none; run the same command again."
        )
    try:
        with pq.ParquetFile(path) as opened:
            for batch in opened.iter_batches(batch_size=ROWS_PER_GROUP, columns=columns):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise ValueError(
            f"Expected Parquet in {path}, found {str(error).strip()!r}; delete it and run again."
        ) from error


def batched(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Divide values into lists of at most ``size`` (`itertools.batched` is there from Python 3.12 only)."""
    remaining = iter(values)
    while part := list(islice(remaining, size)):
        yield part
