"""Which image, summary and class of an entity a batch shows.

An entity has several images, summaries in several languages and several classes; a batch shows one of each. Evaluation
must see the same views whatever the order, the batch size and the number of workers; training draws anew every time.
Both are pure functions of the batch, so that no worker, process or resumed run has a state of its own to restore.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Literal

import numpy as np


ViewRule = Literal["first", "random"]
VIEW_RULES = ("first", "random")


def entity_keys(entity_ids: Sequence[str]) -> np.ndarray:
    """Give every entity a number that is the same on every machine and in every run (CRC-32 of its id).

    Args:
        entity_ids: the names, such as ``"Q23178"``.

    Returns:
        uint32 (entities,).

    Example:
        >>> entity_keys(["Q90", "Q64"])
        array([3126993027,  983038037], dtype=uint32)
    """
    return np.fromiter((zlib.crc32(name.encode()) for name in entity_ids), dtype=np.uint32, count=len(entity_ids))


def choose_views(keys: np.ndarray, counts: np.ndarray, views: ViewRule = "first", seed: int = 0) -> np.ndarray:
    """Choose an image, a summary and a class for each entity of a batch.

    ``"first"`` takes the first image, the first class and the summary at ``key % count``: every language has its
    share, and an entity keeps its own. ``"random"`` draws all three from a generator seeded by ``seed`` and the batch
    itself, so that views change with every shuffle of the data and not with the number of workers or an interruption.
    (Batches that are never shuffled show the same views in every epoch.)

    Args:
        keys: `entity_keys` of the batch, uint32 (batch,).
        counts: images, summaries and classes of each entity, int (3, batch).
        views: ``"first"`` or ``"random"``.
        seed: start of the random draws.

    Returns:
        Positions, int64 (3, batch), each below its count; 0 where the count is 0.

    Raises:
        ValueError: if ``views`` is neither of the two.

    Example:
        >>> choose_views(entity_keys(["Q90", "Q64"]), np.array([[2, 1], [3, 2], [1, 0]]))
        array([[0, 0],
               [0, 1],
               [0, 0]])
    """
    if views == "first":
        positions = np.zeros(counts.shape, dtype=np.int64)  # (3, batch)
        positions[1] = keys % np.maximum(counts[1], 1)
        return positions
    if views == "random":
        generator = np.random.default_rng([seed, zlib.crc32(keys.tobytes())])
        return (generator.random(counts.shape) * counts).astype(np.int64)
    raise ValueError(f"views={views!r} must be one of {', '.join(map(repr, VIEW_RULES))}.")
