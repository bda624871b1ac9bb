"""Raw rows in Parquet, as `hf-mlm build mlm` writes them: an index and a folder for each config."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hf_mlm.data.mlm.raw_json import ROWS_PER_TABLE
from hf_mlm.data.splits import SPLITS
from hf_mlm.files import write_text


INDEX = "mlm_rows.json"
_FORMAT = "hf_mlm raw rows, version 1"


@dataclass(frozen=True)
class BuiltRows:
    """What the index says.

    Attributes:
        configs: config -> split -> names of its files, relative to the index.
        sizes: name of a file -> its bytes.
    """

    configs: dict[str, dict[str, list[str]]]
    sizes: dict[str, int]

    @classmethod
    def load(cls, path: Path) -> BuiltRows:
        """Read an index.

        Raises:
            ValueError: if the file is not one.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") != _FORMAT:
                raise KeyError("format")
            return cls(**content)
        except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no index of this version of hf_mlm ({error!r}); build again.") from error

    def save(self, path: Path) -> None:
        """Write the index; nobody sees it half-written."""
        write_text(path, json.dumps({"format": _FORMAT, **asdict(self)}, indent=1))


@dataclass(frozen=True)
class BuiltShard:
    """A file of rows.

    Attributes:
        path: the file.
    """

    path: Path

    def tables(self) -> Iterator[pa.Table]:
        """The rows, a hundred or so at a time.

        Raises:
            ValueError: if the file is damaged.
        """
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=ROWS_PER_TABLE):
                    yield pa.Table.from_batches([batch]).replace_schema_metadata(None)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(
                f"{self.path} cannot be read ({str(error).strip()}); delete it and run `hf-mlm build mlm` again."
            ) from error


def open_built(index: Path, config: str) -> tuple[pa.Schema, dict[str, list[BuiltShard]]]:
    """The rows of a config.

    Args:
        index: its files lie beside it.
        config: ``"mlm"``, ``"irle"`` or ``"irle-gr"``.

    Returns:
        the schema, with what `datasets` needs to know in its metadata, and the shards by split.

    Raises:
        ValueError: if there is no such config, or a file is missing or of another size.
    """
    rows = BuiltRows.load(index)
    if config not in rows.configs:
        raise ValueError(
            f"{index.parent} holds {', '.join(rows.configs) or 'no rows'} but no {config!r}: its entities were too "
            "few for cells or for the countries of the sample."
        )
    listed = {split: rows.configs[config][split] for split in SPLITS if split in rows.configs[config]}
    for name in (name for names in listed.values() for name in names):
        path = index.parent / name
        if not path.is_file() or path.stat().st_size != rows.sizes[name]:
            raise ValueError(
                f"{path} is missing or incomplete; run `hf-mlm build mlm` again, it writes what is not there."
            )
    shards = {split: [BuiltShard(index.parent / name) for name in names] for split, names in listed.items()}
    return pq.read_schema(next(iter(shards.values()))[0].path), shards
