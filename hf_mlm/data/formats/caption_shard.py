"""The generated sentences of the captioned world, as shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

from hf_mlm.data.formats.iob2 import TAGS
from hf_mlm.data.formats.ner_table import ner_tables
from hf_mlm.world.captions import CaptionedWorld


@dataclass(frozen=True)
class CaptionSettings:
    """The arguments of `CaptionedWorld`."""

    size: int = 1500
    seed: int = 0


@dataclass(frozen=True)
class CaptionShard:
    """Some sentences of the captioned world.

    Attributes:
        settings: which world.
        split: of the sentences.
        start: position of the first sentence in the split.
        stop: position after the last.
    """

    settings: CaptionSettings
    split: str
    start: int
    stop: int

    def tables(self) -> Iterator[pa.Table]:
        """The rows, some hundred at a time."""
        return ner_tables(self._rows())

    def _rows(self) -> Iterator[dict[str, Any]]:
        for row in _build(self.settings).rows(self.split, self.start, self.stop):
            yield row | {"ner_tags": [TAGS.index(tag) for tag in row["tags"]]}


def caption_shards(settings: CaptionSettings, rows_per_shard: int = 2000) -> dict[str, list[CaptionShard]]:
    """The shards of each split that has rows."""
    return {
        split: [
            CaptionShard(settings, split, start, min(start + rows_per_shard, size))
            for start in range(0, size, rows_per_shard)
        ]
        for split, size in _build(settings).split_sizes.items()
        if size
    }


@lru_cache(maxsize=1)
def _build(settings: CaptionSettings) -> CaptionedWorld:
    """The world of some settings; the last one is kept, since every shard of it needs it."""
    return CaptionedWorld(**asdict(settings))
