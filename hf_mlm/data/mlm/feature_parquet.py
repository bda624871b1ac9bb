"""Feature rows converted to Parquet: one manifest and some shards a split."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hf_mlm.data.mlm.feature_rows import ROWS_PER_TABLE, FeatureSpec, with_dtype
from hf_mlm.files import write_text


_FORMAT = "hf_mlm feature shards, version 1"


@dataclass(frozen=True)
class ShardEntry:
    """What the manifest says of a shard.

    Attributes:
        name: of the file.
        bytes: its size.
        rows: hash of each row, in order.
    """

    name: str
    bytes: int
    rows: list[str]


@dataclass
class Manifest:
    """What a conversion is made of, and how far it has come.

    Attributes:
        source: names, sizes and times of the files that were converted.
        dtype: type of the vectors.
        spec: what the rows have in common.
        planned: number of rows of each shard, by split.
        shards: finished shards by split, in order.
    """

    source: str
    dtype: str
    spec: FeatureSpec
    planned: dict[str, list[int]]
    shards: dict[str, list[ShardEntry]] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether every planned shard is finished."""
        return all(
            [len(entry.rows) for entry in self.shards.get(split, [])] == rows for split, rows in self.planned.items()
        )

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read a manifest.

        Raises:
            ValueError: if the file is not one.
        """
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") != _FORMAT:
                raise KeyError("format")
            shards = {
                split: [ShardEntry(**entry) for entry in listed] for split, listed in content.pop("shards").items()
            }
            return cls(spec=FeatureSpec(**content.pop("spec")), shards=shards, **content)
        except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} is not a manifest of this version of hf_mlm ({error!r}); run `hf-mlm data convert` into an "
                "empty folder."
            ) from error

    def save(self, path: Path) -> None:
        """Write the manifest; a reader sees the old one or the new one, never half."""
        write_text(path, json.dumps({"format": _FORMAT, **asdict(self)}))


@dataclass(frozen=True)
class ParquetShard:
    """A finished shard.

    Attributes:
        path: the file.
        spec: what its rows look like.
        dtype: type that the vectors shall have, whatever the file's.
    """

    path: Path
    spec: FeatureSpec
    dtype: str = "float32"

    def __len__(self) -> int:
        return int(pq.read_metadata(self.path).num_rows)

    def tables(self) -> Iterator[pa.Table]:
        """The rows, a few hundred at a time.

        Raises:
            ValueError: if the file is damaged, or a value is too large for ``dtype``.
        """
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=ROWS_PER_TABLE):
                    table = pa.Table.from_batches([batch]).replace_schema_metadata(None)
                    yield with_dtype(table, self.spec, self.dtype)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(
                f"{self.path} cannot be read ({str(error).strip()}); delete it and run `hf-mlm data convert` again."
            ) from error


def parquet_shards(manifest_path: Path, dtype: str) -> tuple[FeatureSpec, dict[str, list[ParquetShard]]]:
    """The shards of a finished conversion.

    Args:
        manifest_path: its manifest; the shards lie beside it.
        dtype: type that the vectors shall have.

    Returns:
        what the rows look like, and the shards by split.

    Raises:
        ValueError: if the conversion is not finished, or a shard is missing or of another size.
    """
    manifest = Manifest.load(manifest_path)
    if not manifest.is_complete:
        raise ValueError(
            f"the conversion in {manifest_path.parent} is not finished; run the same `hf-mlm data convert` again, it "
            "goes on where it stopped."
        )
    for entry in [entry for entries in manifest.shards.values() for entry in entries]:
        path = manifest_path.parent / entry.name
        size = path.stat().st_size if path.is_file() else None
        if size != entry.bytes:
            state = "is missing" if size is None else f"has {size} bytes instead of {entry.bytes}"
            raise ValueError(f"{path} {state}; run `hf-mlm data convert` again, it writes what is not there.")
    shards = {
        split: [ParquetShard(manifest_path.parent / entry.name, manifest.spec, dtype) for entry in entries]
        for split, entries in manifest.shards.items()
    }
    return manifest.spec, shards
