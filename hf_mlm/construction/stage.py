"""Some at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from hf_mlm.construction.manifest import MANIFEST, Ledger, OutputFile, StageManifest
from hf_mlm.files import full_disk_in_words


_T = TypeVar("_T")


def batched(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Divide values into lists of at most ``size`` (`itertools.batched` is there from Python 3.12 only).

    Example:
        >>> list(batched("abcde", 2))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    remaining = iter(values)
    while part := list(islice(remaining, size)):
        yield part


ROWS_PER_GROUP = 1024
_PACKAGE = re.compile(r"hf_mlm\.construction\.(\w+)\.")

Row: TypeAlias = dict[str, Any]


class Block(PipelineStep):
    """A datatrove step that counts in the ledger of its stage what it drops and what it notices."""

    name = "block"
    type = "hf_mlm"

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Turn the documents of a task into others.

        Args:
            data: what the block before gives; None for the first.
            rank: number of the task.
            world_size: number of tasks.
        """
        raise NotImplementedError

    def drop(self, reason: str, count: int = 1) -> None:
        """Count rows that go no further."""
        if count:
            self.ledger.dropped[reason] += count
            self.stat_update(f"dropped: {reason}", value=count)

    def note(self, what: str, count: int = 1) -> None:
        """Count something that happened to rows that do go on."""
        if count:
            self.ledger.noted[what] += count


def to_document(row: Row) -> Document:
    """Wrap a row, which has an ``id``, for the blocks of datatrove."""
    return Document(text=row.get("label") or "", id=row["id"], metadata=row)


class ReadStage(Block):
    """Reads rows that an earlier stage has written.

    Args:
        folder: of the stage.
        whole: read every file, rather than the one that the same task of the earlier stage has written.
        columns: which to read; all when omitted.
    """

    name = "read stage"

    def __init__(self, folder: Path, whole: bool = False, columns: Sequence[str] | None = None) -> None:
        super().__init__()
        self.folder, self.whole, self.columns = folder, whole, columns

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give the rows in the order of the files."""
        for row in self.rows(rank, world_size):
            yield to_document(row)

    def rows(self, rank: int = 0, world_size: int = 1) -> Iterator[Row]:
        """The same as dicts, for a block that reads several stages.

        Raises:
            FileNotFoundError: if the stage is not finished.
            ValueError: if it was run with another number of tasks, or a file is not what its manifest says.
        """
        for row, _ in self.rows_of_tasks(rank, world_size):
            yield row

    def rows_of_tasks(self, rank: int = 0, world_size: int = 1) -> Iterator[tuple[Row, int]]:
        """The same, each with the number of the task that wrote it; raises as `rows`."""
        files = StageManifest.load(self.folder / MANIFEST).files
        if not self.whole and len(files) != world_size:
            raise ValueError(
                f"{self.folder} was written by {len(files)} tasks and is read by {world_size}; build with the number "
                "of tasks that it was begun with, or into an empty folder."
            )
        for task in range(len(files)) if self.whole else [rank]:
            self.ledger.inputs[f"{self.folder.name}/{files[task].name}"] = files[task].sha256
            for row in read_rows(self.folder, files[task], self.columns):
                yield row, task


class WriteStage(Block):
    """Writes the rows of a task, ends the chain, and then the manifest: the task is finished when that is there.

    Args:
        folder: of the stage.
        schema: of the rows.
        package: whose code makes them, see `code_version`.
    """

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
    """Merges the manifests of a stage's tasks into ``manifest.json``, which later stages wait for.

    Args:
        folder: of the stage.
        tasks: how many there were.
    """

    name = "seal stage"

    def __init__(self, folder: Path, tasks: int) -> None:
        super().__init__()
        self.folder, self.tasks = folder, tasks

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Merge; gives nothing.

        Raises:
            FileNotFoundError: if a task is not finished.
        """
        parts = [StageManifest.load(self.folder / f"{task:05d}.json") for task in range(self.tasks)]
        forget_unfinished(self.folder)
        StageManifest.merged(parts).save(self.folder / MANIFEST)
        return iter(())


@dataclass(frozen=True)
class Stage:
    """One step of a construction.

    Attributes:
        folder: where its files go; the folder's name is the stage's.
        blocks: from the source of rows to the last that changes them.
        schema: of the rows that are written, which have an ``id``.
        tasks: into how many parts the work is divided.
        polite: whether the blocks ask a public service, so that only a few tasks may run at once.
    """

    folder: Path
    blocks: Sequence[Block]
    schema: pa.Schema
    tasks: int = 1
    polite: bool = False

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.folder.name

    @property
    def package(self) -> str | None:
        """The package of `hf_mlm.construction` that the blocks are from; None where they are from elsewhere."""
        found = (_PACKAGE.match(type(block).__module__) for block in self.blocks)
        return next((match[1] for match in found if match), None)

    def writer(self) -> Block:
        """The block that ends the chain."""
        return WriteStage(self.folder, self.schema, self.package)

    def seal(self) -> Block:
        """The block that runs once after all tasks."""
        return SealStage(self.folder, self.tasks)

    def pipeline(self) -> list[PipelineStep]:
        """The datatrove pipeline: the blocks and the writer, with one ledger for all."""
        chain = [*self.blocks, self.writer()]
        ledger = Ledger()
        for block in chain:
            block.ledger = ledger
        return list(chain)

    def is_sealed(self) -> bool:
        """Whether the stage is finished and its files are still there."""
        path = self.folder / MANIFEST
        return path.is_file() and all(file.is_in(self.folder) for file in StageManifest.load(path).files)

    def is_finished(self, task: int) -> bool:
        """Whether a task is finished and its file is still there."""
        path = self.folder / f"{task:05d}.json"
        return path.is_file() and all(file.is_in(self.folder) for file in StageManifest.load(path).files)


def write_rows(path: Path, rows: Iterable[Row], schema: pa.Schema) -> OutputFile:
    """Write rows to Parquet under a temporary name and rename the file when it is complete.

    Args:
        path: the file.
        rows: consumed a thousand at a time.
        schema: of the rows.
    """
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


def forget_unfinished(folder: Path) -> None:
    """Remove what killed writers have left in a folder, or below it, in which nobody writes at the time."""
    for path in list(folder.rglob("*.part")):
        path.unlink(missing_ok=True)


def read_rows(folder: Path, file: OutputFile, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Read rows that `write_rows` has written.

    Raises:
        ValueError: if the file is missing, of another size or damaged.
    """
    path = folder / file.name
    if not file.is_in(folder):
        raise ValueError(f"{path} is missing or incomplete; run the same command again, it is made anew.")
    try:
        with pq.ParquetFile(path) as opened:
            for batch in opened.iter_batches(batch_size=ROWS_PER_GROUP, columns=columns):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path} cannot be read ({str(error).strip()}); delete it and run again.") from error
