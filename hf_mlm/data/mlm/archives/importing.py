"""Import of an archive: its rows, images included, in Parquet that `load_dataset` opens."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub.utils import tqdm

from hf_mlm.data.mlm.archives.faults import Fault, count_faults
from hf_mlm.data.mlm.archives.reading import ADAPTIVE, Archive, ArchiveCells, ArchiveSource, open_archive
from hf_mlm.data.mlm.parquet import INDEX, BuiltRows
from hf_mlm.files import full_disk_in_words, replacing_folder, write_text


RECORD = "archive.json"
ROWS_PER_GROUP = 1000
BYTES_PER_GROUP = 1 << 26
BYTES_PER_FILE = 1 << 29


def import_archive(
    source: str | Path,
    target: str | Path,
    mapping: Any = None,
    cells: ArchiveCells = ADAPTIVE,
    seed: int = 0,
) -> dict[str, Any]:
    """Write an archive as Parquet, which ``load_dataset("mlm", "archive", data_dir=target)`` opens.

    Memory holds one group of rows, of at most 64 MB of images but for the last of them.

    Args:
        source: folder, zip archive or table.
        target: folder to write; it appears when everything is in it.
        mapping: of fields to columns; see `hf_mlm.data.mlm.archives.columns.find_columns`.
        cells: how they are made.
        seed: of the split.

    Returns:
        the record that is also written to ``archive.json``: ``source`` (its name), ``columns``, ``rows`` by split,
        ``located`` and ``faults`` by kind.

    Raises:
        FileExistsError: if ``target`` holds anything.
        FileNotFoundError: if there is no source.
        ValueError: if a table cannot be read, or no record is left.
        OSError: if the disk is full.
    """
    folder = Path(target).expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there already and holds files; give an empty folder to write.")
    archive = Archive.open(source, mapping)
    plan = open_archive(archive, cells, seed, embed=True)
    with full_disk_in_words(folder.parent, "and start again"), replacing_folder(folder) as working:
        (working / "archive").mkdir()
        with tqdm(total=plan.rows, desc=f"Importing {archive.source.name}", unit=" rows") as bar:
            names = {split: _write_split(plan, split, working, bar) for split in plan.splits}
        record = _record(archive, plan, {split: sum(names[split].values()) for split in names})
        write_text(working / RECORD, json.dumps(record, indent=1, ensure_ascii=False))
        sizes = {name: (working / name).stat().st_size for files in names.values() for name in files}
        BuiltRows({"archive": {split: list(files) for split, files in names.items()}}, sizes).save(working / INDEX)
    return record


def _record(archive: Archive, plan: ArchiveSource, rows: dict[str, int]) -> dict[str, Any]:
    counts = Counter(plan.counts)
    for shard in (shard for shards in plan.splits.values() for shard in shards):
        counts.update(shard.faults)
    faults = count_faults(Fault(kind, "") for kind in counts.elements())
    columns = archive.columns.lines()
    return {"source": archive.source.name, "columns": columns, "rows": rows, "located": plan.located, "faults": faults}


def _write_split(plan: ArchiveSource, split: str, folder: Path, bar: Any) -> dict[str, int]:
    """Write the rows of a split in files of half a gigabyte; gives the number of rows of each."""
    schema = plan.features.arrow_schema
    rows = (row for shard in plan.splits[split] for row in shard.rows())
    names: dict[str, int] = {}
    groups = _groups(rows)
    group = next(groups, None)
    while group is not None:
        name = f"archive/{split}-{len(names):05d}.parquet"
        names[name] = 0
        with pq.ParquetWriter(folder / name, schema, compression="zstd") as writer:
            while group is not None:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                names[name] += len(group)
                bar.update(len(group))
                group = next(groups, None)
                if (folder / name).stat().st_size >= BYTES_PER_FILE:
                    break
    return names


def _groups(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(len(image["bytes"] or b"") for image in row["images"])
        if len(group) == ROWS_PER_GROUP or size >= BYTES_PER_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group
