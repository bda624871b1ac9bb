"""Draws of sentences that depend on the seed and the ids alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hf_mlm.construction.mmnerd.records import Record


def draw(records: Sequence[Record], size: int, seed: int, purpose: str) -> list[Record]:
    """Draw sentences at random; of a larger draw, the first are those of a smaller.

    Args:
        records: to draw from.
        size: how many; all, where there are fewer.
        seed: another seed, another draw.
        purpose: another purpose, another draw.
    """

    def position(record: Record) -> bytes:
        return hashlib.blake2b(f"{seed}:{purpose}:{record.id}".encode(), digest_size=16).digest()

    return sorted(records, key=position)[:size]
