"""What a folder of Parquet files holds: a table for each config, with its splits, files and features."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from datasets import DatasetInfo, Features, SplitDict, SplitInfo

from hf_mlm.construction.manifest import OutputFile


FILE = re.compile(r"(?P<config>[^/]+)/(?P<split>\w+)-\d{5}-of-\d{5}\.parquet")


@dataclass(frozen=True)
class Table:
    """A config of a dataset.

    Attributes:
        name: of the config, and of its folder.
        splits: name of a split -> its files, in order.
        features: of the rows.
    """

    name: str
    splits: Mapping[str, tuple[OutputFile, ...]]
    features: Features

    @property
    def files(self) -> Iterator[OutputFile]:
        """The files of all splits."""
        return (file for files in self.splits.values() for file in files)

    def rows(self, split: str) -> int:
        """How many rows a split has."""
        return sum(file.rows for file in self.splits[split])

    def info(self) -> DatasetInfo:
        """The same as `datasets` describes it."""
        sizes = {split: sum(file.bytes for file in files) for split, files in self.splits.items()}
        splits = SplitDict({split: SplitInfo(split, sizes[split], self.rows(split)) for split in self.splits})
        total = sum(sizes.values())
        return DatasetInfo(features=self.features, splits=splits, download_size=total, dataset_size=total)


def tables_in(folder: Path, files: Iterable[OutputFile] | None = None) -> list[Table]:
    """Find the tables of a folder: files named ``CONFIG/SPLIT-00000-of-00001.parquet``.

    Args:
        folder: of the dataset.
        files: what its manifest says; every Parquet file is read and hashed when omitted.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    found: dict[str, dict[str, list[OutputFile]]] = {}
    for file in _described(folder) if files is None else files:
        match = FILE.fullmatch(file.name)
        if match:
            found.setdefault(match["config"], {}).setdefault(match["split"], []).append(file)
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no Parquet file such as CONFIG/train-00000-of-00001.parquet; name the dataset's folder."
        )
    return [_table(folder, config, splits) for config, splits in sorted(found.items())]


def _described(folder: Path) -> Iterator[OutputFile]:
    for path in sorted(folder.glob("*/*.parquet")):
        yield OutputFile.of(path, pq.read_metadata(path).num_rows, folder)


_ORDER = ("train", "validation", "test")


def _table(folder: Path, config: str, splits: Mapping[str, list[OutputFile]]) -> Table:
    ordered = sorted(splits, key=lambda split: (_ORDER.index(split) if split in _ORDER else len(_ORDER), split))
    listed = {split: tuple(sorted(splits[split], key=lambda file: file.name)) for split in ordered}
    schema = pq.read_schema(folder / listed[ordered[0]][0].name)
    return Table(config, listed, Features.from_arrow_schema(schema))
