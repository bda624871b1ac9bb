"""The feature rows that a folder holds, whatever the format, as shards by split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hf_mlm.data.mlm.feature_parquet import parquet_shards
from hf_mlm.data.mlm.feature_rows import FeatureSpec, common_spec
from hf_mlm.data.mlm.hdf5 import FeatureFiles, FeatureReader, HDF5Shard
from hf_mlm.data.mlm.layout import Layout
from hf_mlm.data.row_checks import check_unique
from hf_mlm.data.splits import SPLITS, hash_split


ROWS_PER_SHARD = 4096


class FeatureShard(Protocol):
    """Some feature rows, read in a go."""

    def __len__(self) -> int: ...

    def tables(self) -> Iterator[pa.Table]:
        """The rows, some hundred at a time, with the columns of the source's spec."""
        ...


@dataclass(frozen=True)
class FeatureSource:
    """Feature rows by split.

    Attributes:
        spec: what all rows have in common.
        splits: shards of each split that has rows, in the order of the source.
    """

    spec: FeatureSpec
    splits: dict[str, Sequence[FeatureShard]]


def open_features(
    layout: Layout, dtype: str = "float32", seed: int = 0, rows_per_shard: int = ROWS_PER_SHARD
) -> FeatureSource:
    """Look into the files of a layout and plan how to read them.

    Args:
        layout: what was found; it has features.
        dtype: type of the vectors.
        seed: of the split, where the files are not divided.
        rows_per_shard: the most rows that one process reads in a go; the shards of Parquet files are what they are.

    Returns:
        the shards. Nothing but ids and the first entity of each file has been read.

    Raises:
        ValueError: if a file is damaged, an entity occurs twice, files do not belong together, or there are no rows.
    """
    if layout.parquet:
        spec, parquet = parquet_shards(layout.parquet, dtype)
        return FeatureSource(spec, {split: shards for split, shards in parquet.items() if shards})
    spec, ids = _read_ids(layout, seed)
    check_unique(np.concatenate(list(ids.values())).tolist(), f"{layout.folder}, all splits together")
    splits: dict[str, Sequence[FeatureShard]] = {
        split: [
            HDF5Shard(layout.splits.get(split) or _whole(layout), part, spec, dtype)
            for part in np.split(rows, range(rows_per_shard, len(rows), rows_per_shard))
        ]
        for split, rows in ids.items()
        if len(rows)
    }
    return FeatureSource(spec, splits)


def _read_ids(layout: Layout, seed: int) -> tuple[FeatureSpec, dict[str, NDArray[np.int64]]]:
    specs: dict[str, FeatureSpec] = {}
    ids: dict[str, NDArray[np.int64]] = {}
    numbered = False
    for split, files in layout.splits.items() or [("all", _whole(layout))]:
        with FeatureReader(files) as reader:
            ids[split] = reader.ids
            if len(reader.ids):
                specs[str(files.images)] = reader.spec
                numbered |= reader.cells_are_numbers
    if not specs:
        raise ValueError(f"the files in {layout.folder} hold no entity at all; fetch them again.")
    if numbered:  # the largest number of any split tells how many cells there are
        cells = max(spec.num_cells for spec in specs.values())
        specs = {name: replace(spec, num_cells=cells) for name, spec in specs.items()}
    if "all" in ids:
        assigned = hash_split(ids["all"].tolist(), seed=seed)
        ids = {split: ids["all"][assigned == index] for index, split in enumerate(SPLITS)}
    return common_spec(specs), ids


def _whole(layout: Layout) -> FeatureFiles:
    if layout.whole is None:
        raise ValueError(f"{layout.folder} holds no features; only features are read here.")
    return layout.whole
