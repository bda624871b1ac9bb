"""Rows of ``mlm`` in Parquet: features that `hf-mlm data convert` wrote, raw rows that `hf-mlm build mlm` wrote.

A JSON file beside the Parquet files names them, with their sizes: the manifest of a conversion, the index of a build.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hf_mlm.data.mlm.rows import ROWS_PER_TABLE, FeatureSpec, cast_features
from hf_mlm.data.splits import SPLITS
from hf_mlm.files import check_file, checksum_of, read_json, reason_of, write_text


MANIFEST, INDEX = "mlm_features.json", "mlm_rows.json"
_MANIFEST_FORMAT, _INDEX_FORMAT = "hf_mlm feature shards, version 1", "hf_mlm raw rows, version 1"
_DAMAGED = (ValueError, KeyError, TypeError, AttributeError)


def read_tables(path: Path, remedy: str, checksum: str | None = None) -> Iterator[pa.Table]:
    """Read a Parquet file, some hundred rows at a time.

    Args:
        path: the file.
        remedy: the way out, for the message.
        checksum: of the file, where it is known.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        check_file(path, checksum, remedy)
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_PER_TABLE):
                yield pa.Table.from_batches([batch]).replace_schema_metadata(None)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path} cannot be read ({str(error).strip()}); {remedy}.") from error


def _sealed(content: dict[str, Any], indent: int | None = None) -> str:
    """Write JSON with a checksum of itself."""
    return json.dumps({**content, "seal": _seal(content)}, indent=indent)


def _opened(path: Path, form: str) -> dict[str, Any]:
    """Read what `_sealed` wrote, less format and seal; files from before there were seals have none."""
    content = read_json(path, "write it again")
    if not isinstance(content, dict) or content.pop("seal", None) not in (None, _seal(content)):
        raise ValueError("its checksum is not the one that was noted")
    if content.pop("format") != form:
        raise KeyError("format")
    return content


def _seal(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True)
class ShardEntry:
    """A shard in the manifest.

    Attributes:
        name: of the file.
        bytes: its size.
        rows: hash of each row, in order.
        checksum: of the file; None in manifests from before there was one.
    """

    name: str
    bytes: int
    rows: list[str]
    checksum: str | None = None


@dataclass
class Manifest:
    """Source and progress of a conversion.

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
            content = _opened(path, _MANIFEST_FORMAT)
            shards = {
                split: [ShardEntry(**entry) for entry in listed] for split, listed in content.pop("shards").items()
            }
            return cls(spec=FeatureSpec(**content.pop("spec")), shards=shards, **content)
        except _DAMAGED as error:
            raise ValueError(
                f"{path} is not a manifest of this version of hf_mlm ({reason_of(error)}); run `hf-mlm data convert` "
                "into an empty folder."
            ) from error

    def save(self, path: Path) -> None:
        """Write the manifest; a reader sees the old one or the new one, never half."""
        write_text(path, _sealed({"format": _MANIFEST_FORMAT, **asdict(self)}))


@dataclass(frozen=True)
class ParquetShard:
    """A finished shard of feature rows.

    Attributes:
        path: the file.
        spec: what its rows look like.
        dtype: type that the vectors shall have, whatever the file's.
        checksum: of the file, where it is known.
    """

    path: Path
    spec: FeatureSpec
    dtype: str = "float32"
    checksum: str | None = None

    def __len__(self) -> int:
        return int(pq.read_metadata(self.path).num_rows)

    def tables(self) -> Iterator[pa.Table]:
        """Read the rows, some hundred at a time.

        Raises:
            ValueError: if the file is damaged, or a value is too large for ``dtype``.
        """
        for table in read_tables(self.path, "delete it and run `hf-mlm data convert` again", self.checksum):
            yield cast_features(table, self.spec, self.dtype)


def open_manifest(manifest_path: Path, dtype: str) -> tuple[FeatureSpec, dict[str, list[ParquetShard]]]:
    """Open a finished conversion.

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
        split: [
            ParquetShard(manifest_path.parent / entry.name, manifest.spec, dtype, entry.checksum) for entry in entries
        ]
        for split, entries in manifest.shards.items()
    }
    return manifest.spec, shards


@dataclass(frozen=True)
class BuiltRows:
    """Index of raw rows in Parquet.

    Attributes:
        configs: config -> split -> names of its files, relative to the index.
        sizes: name of a file -> its bytes.
        checksums: name of a file -> its checksum, as `save` finds it; none in indexes from before there were any.
    """

    configs: dict[str, dict[str, list[str]]]
    sizes: dict[str, int]
    checksums: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> BuiltRows:
        """Read an index.

        Raises:
            ValueError: if the file is not one.
        """
        try:
            content = _opened(path, _INDEX_FORMAT)
            rows = cls(**content)
            for name in (name for splits in rows.configs.values() for names in splits.values() for name in names):
                if not isinstance(rows.sizes[name], int) or Path(name).is_absolute() or ".." in Path(name).parts:
                    raise KeyError(name)
            if not isinstance(rows.checksums, dict):
                raise KeyError("checksums")
            return rows
        except _DAMAGED as error:
            reason = reason_of(error)
            raise ValueError(f"{path} is no index of this version of hf_mlm ({reason}); build again.") from error

    def save(self, path: Path) -> None:
        """Write the index, with the checksums of its files; nobody sees it half-written."""
        checksums = {name: checksum_of(path.parent / name) for name in self.sizes}
        write_text(path, _sealed({"format": _INDEX_FORMAT, **asdict(self), "checksums": checksums}, indent=1))


@dataclass(frozen=True)
class BuiltShard:
    """A file of raw rows.

    Attributes:
        path: the file.
        checksum: of the file, where it is known.
    """

    path: Path
    checksum: str | None = None

    def tables(self) -> Iterator[pa.Table]:
        """Read the rows, some hundred at a time.

        Raises:
            ValueError: if the file is damaged.
        """
        return read_tables(self.path, "write it again, by the command that did", self.checksum)


def open_built(index: Path, config: str) -> tuple[pa.Schema, dict[str, list[BuiltShard]]]:
    """Open the raw rows of a config.

    Args:
        index: its files lie beside it.
        config: ``"mlm"``, ``"irle"``, ``"irle-gr"`` or ``"archive"``.

    Returns:
        as `open_files`.

    Raises:
        ValueError: if there is no such config, or a file is missing, of another size or damaged.
    """
    rows = BuiltRows.load(index)
    if not rows.configs.get(config):
        raise ValueError(
            f"Expected rows of {config!r} in {index.parent}, found {', '.join(rows.configs) or 'none'}; choose one of "
            "these, or build again (entities may have been too few for cells or for the countries of the sample)."
        )
    listed = {split: rows.configs[config][split] for split in SPLITS if split in rows.configs[config]}
    for name in (name for names in listed.values() for name in names):
        path = index.parent / name
        if not path.is_file() or path.stat().st_size != rows.sizes[name]:
            raise ValueError(
                f"{path} is missing or incomplete; run the same `hf-mlm build mlm` or `hf-mlm data import` again."
            )
    files = {split: [index.parent / name for name in names] for split, names in listed.items()}
    return open_files(files, {index.parent / name: checksum for name, checksum in rows.checksums.items()})


def open_files(
    files: dict[str, list[Path]], checksums: Mapping[Path, str] | None = None
) -> tuple[pa.Schema, dict[str, list[BuiltShard]]]:
    """Open Parquet files of rows.

    Args:
        files: by split.
        checksums: of the files, as far as they are known.

    Returns:
        the schema, with what `datasets` needs to know in its metadata, and the shards by split.

    Raises:
        ValueError: if the first file is damaged.
    """
    first = next((paths[0] for paths in files.values() if paths), None)
    if first is None:
        raise ValueError(f"Expected Parquet files of {', '.join(files) or 'any split'}, found none; write them again.")
    known = checksums or {}
    return read_schema(first), {
        split: [BuiltShard(path, known.get(path)) for path in paths] for split, paths in files.items()
    }


def read_schema(path: Path) -> pa.Schema:
    """Read the columns of a Parquet file.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path} is no whole Parquet file ({str(error).strip()}); write it again.") from error
