"""Base of the builders ``mlm`` and ``mmnerd``: rows in shards, caches named after the files, errors with a message."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from numbers import Integral
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import datasets
import pyarrow as pa
from datasets import Features
from datasets.exceptions import DatasetGenerationError


class BadRowError(DatasetGenerationError, ValueError):
    """A malformed row; `datasets` hides the message of other errors behind "An error occurred while generating"."""


class Shard(Protocol):
    """Rows that one process reads in a go; picklable."""

    def tables(self) -> Iterator[pa.Table]:
        """Read the rows, some at a time."""


Splits: TypeAlias = Mapping[str, Sequence[Shard]]


def pack_rows(rows: Iterable[Mapping[str, Any]], features: Features, rows_per_table: int = 128) -> Iterator[pa.Table]:
    """Pack rows into Arrow tables.

    Args:
        rows: with ids of class labels, and images as ``{"bytes", "path"}``.
        features: of the rows.
        rows_per_table: the most rows that are held at a time.
    """
    schema, remaining = features.arrow_schema.remove_metadata(), iter(rows)
    while part := list(islice(remaining, rows_per_table)):
        yield pa.Table.from_pylist(part, schema=schema)


@dataclass
class ShardConfig(datasets.BuilderConfig):
    """A config whose cache is named after the arguments that were passed and the state of the main files."""

    data_files: Any = None

    @property
    def is_custom(self) -> bool:
        """Whether any name will do."""
        return False

    def stamp(self) -> str:
        """Give names, sizes and times of the main files in ``data_dir``: another stamp means other contents.

        Raises:
            ValueError: if the folder cannot be read as this config.
            OSError: if it is not there.
        """
        raise NotImplementedError

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Features | None = None) -> str:
        """Name the cache.

        Raises:
            ValueError: if a setting is not of the kind of its default.
        """
        for name, value in config_kwargs.items():
            _check_kind(name, value, getattr(type(self), name, None))
        named = {key: value for key, value in config_kwargs.items() if not (key == "data_files" and not value)}
        if self.data_dir is not None:
            named |= {"data_dir": os.path.abspath(Path(self.data_dir).expanduser()), "stamp": self._stamp()}
        return super().create_config_id(named, custom_features)

    def _stamp(self) -> str:
        try:
            return self.stamp()
        except (ValueError, OSError):
            return ""  # preparing the dataset says what is wrong

    def _resolve_data_files(self, base_path: str, download_config: Any) -> None:
        if not self.data_files:
            self.data_files = None  # instead of the empty dict that the registry hands over
        super()._resolve_data_files(base_path, download_config)


def _check_kind(name: str, value: Any, default: Any) -> None:
    kinds: dict[type, Any] = {bool: bool, int: Integral, str: str}
    expected = kinds.get(type(default))
    if expected is not None and value is not None and not isinstance(value, expected):
        raise ValueError(
            f"Expected {name} to be of the kind of {default!r}, found {value!r} ({type(value).__name__})."
        )


class ShardBuilder(datasets.ArrowBasedBuilder):
    """A builder whose rows are read from shards; a split without shards is not declared."""

    def _open(self, dl_manager: Any) -> tuple[Features, Splits]:
        """Give the features of the rows and the shards of each split that has rows.

        Raises:
            ValueError: with one sentence, if an argument is wrong or a file is malformed.
            OSError: with one sentence, if a file is missing.
        """
        raise NotImplementedError

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        if self.config.name not in self.builder_configs and not self.config.is_custom:
            example = f'load_dataset("{self.dataset_name}", "{self.BUILDER_CONFIGS[1].name}")'
            raise ValueError(f"name a config, as in {example}: {', '.join(self.builder_configs)}.")
        self.info.features, splits = self._open(dl_manager)
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"shards": list(part)}) for split, part in splits.items()
        ]

    def _generate_tables(self, shards: Sequence[Shard]) -> Iterator[tuple[tuple[int, int], pa.Table]]:
        try:
            for number, shard in enumerate(shards):
                for position, table in enumerate(shard.tables()):
                    yield (number, position), table
        except (ValueError, OSError) as error:
            raise BadRowError(str(error)) from error
