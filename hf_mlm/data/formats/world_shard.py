"""The rows of the embedded world, as shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache

import pyarrow as pa

from hf_mlm.data.formats.raw_table import raw_tables
from hf_mlm.world import EmbeddedWorld


@dataclass(frozen=True)
class WorldSettings:
    """The arguments of `EmbeddedWorld`."""

    size: int = 6000
    split: str = "blocks"
    hints: bool = True
    seed: int = 0


@dataclass(frozen=True)
class WorldShard:
    """Some places of the embedded world.

    Attributes:
        settings: which world.
        split: of the places.
        start: position of the first place in the split.
        stop: position after the last.
    """

    settings: WorldSettings
    split: str
    start: int
    stop: int

    def tables(self) -> Iterator[pa.Table]:
        """The rows, a hundred or so at a time."""
        return raw_tables(build_world(self.settings).rows(self.split, self.start, self.stop), has_cells=True)


@lru_cache(maxsize=1)
def build_world(settings: WorldSettings) -> EmbeddedWorld:
    """The world of some settings; the last one is kept, since every shard of it needs it."""
    return EmbeddedWorld(**asdict(settings))


def world_shards(settings: WorldSettings, rows_per_shard: int = 2000) -> dict[str, list[WorldShard]]:
    """The shards of each split that has rows."""
    sizes = build_world(settings).split_sizes
    return {
        split: [
            WorldShard(settings, split, start, min(start + rows_per_shard, size))
            for start in range(0, size, rows_per_shard)
        ]
        for split, size in sizes.items()
        if size
    }
