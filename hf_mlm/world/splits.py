"""Which places are held out, and which cells can then still be learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hf_mlm.geo import s2
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.world.hashing import hashed


SPLITS = ("train", "validation", "test")
SHARES = (0.8, 0.1, 0.1)
BLOCK_LEVEL = 5  # S2 cells of about 290 km: three fifths of the span of a patch of imagery


def blocks(latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> NDArray[np.uint64]:
    """The block that each place lies in: the id of its S2 cell of level 5, uint64 (N,)."""
    return s2.cell_ids(latitudes, longitudes, level=BLOCK_LEVEL)


def split_by_group(groups: NDArray[np.integer], seed: int = 0) -> NDArray[np.int64]:
    """Split places 80 : 10 : 10, all of a group on one side.

    Groups stand in hashed order, and each goes where its middle place falls; so the shares are those of places, not
    of groups, to within half a group.

    Args:
        groups: integers (N,), the group of each place.
        seed: another seed, another split.

    Returns:
        int64 (N,), positions in ``SPLITS``.

    Example:
        >>> np.bincount(split_by_group(np.arange(1000) // 4)).tolist()
        [800, 100, 100]
    """
    ids, group, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(hashed(ids, "split", seed))
    middles = np.empty(len(ids))
    middles[order] = np.cumsum(counts[order]) - counts[order] / 2
    return np.digitize(middles / len(groups), np.cumsum(SHARES)[:-1])[group]


def fit_cells(
    latitudes: NDArray[np.float64], longitudes: NDArray[np.float64], share: float, coarser_than_blocks: bool
) -> GeoCellPartition:
    """Fit the cells of a world by the rule of the paper (MLM §3.3.5).

    The paper's thresholds of 500 and 20 places shrink with the fifth root of the world's size, to 240 and 10 for 6,000
    places, which gives about 60 cells there and 1,160 in the whole world.

    Args:
        latitudes: float (N,), degrees.
        longitudes: float (N,), degrees.
        share: N divided by the number of all places, 0 … 1.
        coarser_than_blocks: merge cells of level 5 and finer to level 4. A cell inside a held-out block would have no
            training place, and nobody could ever name it.
    """
    max_entities = max(1, round(500 * share**0.2))
    partition = GeoCellPartition.fit(latitudes, longitudes, max_entities, round(max_entities / 25))
    if not coarser_than_blocks or partition.levels.max() < BLOCK_LEVEL:
        return partition
    cells = partition.cell_ids.copy()
    fine = partition.levels >= BLOCK_LEVEL
    cells[fine] = s2.parents(cells[fine], BLOCK_LEVEL - 1)
    merged = GeoCellPartition.from_tokens(s2.tokens(np.unique(cells)))
    index = merged.assign(latitudes, longitudes)
    return GeoCellPartition.from_tokens(merged.tokens, np.bincount(index[index >= 0], minlength=len(merged)))
