"""Which split a row belongs to, decided by a seeded hash of its group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


SPLITS: tuple[str, ...] = ("train", "validation", "test")


def hash_split(
    group_ids: Iterable[str | int], ratios: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0
) -> NDArray[np.int8]:
    """Assign rows to splits so that all rows of a group share one, whatever other rows there are.

    The position of a group in [0, 1) is the 64-bit BLAKE2b hash of ``"<seed>:<group>"``, so that a split is the same
    on every platform and does not move when rows are added, dropped or reordered. (The authors' split was drawn
    without a seed and cannot be repeated; where their files carry it, it is replayed instead.)

    Args:
        group_ids: one id a row (an entity, an image); equal ids go to the same split.
        ratios: expected share of groups in each split; positive and summing to 1.
        seed: another seed draws another split.

    Returns:
        int8 (rows,): index into ``ratios``, hence into ``SPLITS`` by default.

    Raises:
        ValueError: if a ratio is negative or they do not sum to 1.

    Example:
        >>> hash_split(["Q64", "Q90", "Q64"], ratios=(0.5, 0.5), seed=1)
        array([0, 1, 0], dtype=int8)
    """
    if min(ratios) < 0 or abs(sum(ratios) - 1) > 1e-9:
        raise ValueError(f"ratios must be positive and sum to 1, got {tuple(ratios)}.")
    groups = [str(group) for group in group_ids]
    position = {group: _position(group, seed) for group in set(groups)}
    bounds = np.cumsum(ratios)[:-1]
    return np.searchsorted(bounds, [position[group] for group in groups], side="right").astype(np.int8)


def _position(group: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}:{group}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
