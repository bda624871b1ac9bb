"""The raw rows that a folder of JSON files holds, as shards by split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hf_mlm.data.formats.checks import check_unique
from hf_mlm.data.formats.images import check_image
from hf_mlm.data.formats.raw_json import RawFile
from hf_mlm.data.formats.raw_table import raw_tables
from hf_mlm.data.splits import SPLITS, hash_split
from hf_mlm.geo.partition import GeoCellPartition, check_settings


@dataclass(frozen=True)
class CellSettings:
    """How cells are made of the entities' coordinates; the arguments of `GeoCellPartition.fit`.

    Raises:
        ValueError: as `check_settings`.
    """

    max_entities: int = 500
    min_entities: int = 20
    rule: str = "paper"

    def __post_init__(self) -> None:
        check_settings(self.max_entities, self.min_entities, self.rule)


@dataclass(frozen=True)
class RawShard:
    """Some entities of a JSON file: what one process reads at a time.

    Attributes:
        file: the file.
        numbers: int64 (rows,), positions in the file, ascending.
        cells: int64 (rows,), their cells, or None in rows without.
    """

    file: RawFile
    numbers: NDArray[np.int64]
    cells: NDArray[np.int64] | None

    def tables(self) -> Iterator[pa.Table]:
        """The rows, a hundred or so at a time, with the paths of their images, each of which has been decoded once.

        Raises:
            FileNotFoundError: if an image is not there.
            ValueError: if an image is broken or gigantic, or the JSON file is not what it was.
        """
        return raw_tables(self._rows(), self.cells is not None)

    def _rows(self) -> Iterator[dict[str, Any]]:
        position_in_shard = {number: position for position, number in enumerate(self.numbers.tolist())}
        for number, row in enumerate(self.file.rows()):
            position = position_in_shard.get(number)
            if position is None:
                continue
            for image in row["images"]:
                check_image(Path(image), f"{self.file.path}, entity {number + 1} ({row['entity_id']})")
            row["images"] = [{"bytes": None, "path": image} for image in row["images"]]
            yield row if self.cells is None else row | {"geo_cell": int(self.cells[position])}


@dataclass(frozen=True)
class RawSource:
    """Raw rows by split.

    Attributes:
        cell_tokens: S2 tokens of the cells, sorted; None where rows have no cells.
        splits: shards of each split that has rows.
    """

    cell_tokens: list[str] | None
    splits: dict[str, list[RawShard]]


def open_raw(files: Sequence[RawFile], cells: CellSettings | None = None, seed: int = 0) -> RawSource:
    """Read the JSON files once, check every entity, and plan how to read them again.

    Args:
        files: the JSON files.
        cells: how to make cells; entities without an image or in too sparse a region are then left out, as in
            MLM §3.3.5. None keeps every entity and makes no cells.
        seed: of the split.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file or an entity is malformed, an entity occurs twice, or no entity is left.
    """
    index = _read_index(files)
    if not len(index.ids):
        raise ValueError(f"{files[0].path.parent}: the JSON files hold no entity at all; fetch them again.")
    check_unique(index.ids, f"{files[0].path.parent}, all files together")
    partition, assigned = (None, None) if cells is None else _assign_cells(index, cells)
    kept = np.ones(len(index.ids), bool) if assigned is None else assigned >= 0
    splits = hash_split(index.ids, seed=seed)
    shards = {
        name: [
            RawShard(file, index.numbers[rows], None if assigned is None else assigned[rows])
            for position, file in enumerate(files)
            if len(rows := np.flatnonzero(kept & (splits == split) & (index.files == position)))
        ]
        for split, name in enumerate(SPLITS)
    }
    tokens = None if partition is None else partition.tokens
    return RawSource(tokens, {name: listed for name, listed in shards.items() if listed})


@dataclass(frozen=True)
class _Index:
    """What decides about entities, in the order of the files; arrays are (entities,)."""

    ids: list[str]
    files: NDArray[np.int64]
    numbers: NDArray[np.int64]
    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]
    have_images: NDArray[np.bool_]


def _read_index(files: Sequence[RawFile]) -> _Index:
    entries = [
        (row["entity_id"], position, number, row["latitude"], row["longitude"], bool(row["images"]))
        for position, file in enumerate(files)
        for number, row in enumerate(file.rows())
    ]
    ids, *columns = zip(*entries, strict=True) if entries else [()] * 6
    kinds = (np.int64, np.int64, np.float64, np.float64, np.bool_)
    return _Index(list(ids), *(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def _assign_cells(index: _Index, settings: CellSettings) -> tuple[GeoCellPartition, NDArray[np.int64]]:
    """Partition of the entities with images, and the cell of each entity, -1 where it has none."""
    usable = index.have_images
    try:
        partition = GeoCellPartition.fit(index.latitudes[usable], index.longitudes[usable], **asdict(settings))
    except ValueError as error:
        raise ValueError(
            f"no geographic cells can be made of the {usable.sum()} entities with images ({error}) Give more files, "
            "pass load_dataset a smaller min_entities=…, or use the config 'mlm', which needs no cells."
        ) from error
    return partition, np.where(usable, partition.assign(index.latitudes, index.longitudes), -1)
