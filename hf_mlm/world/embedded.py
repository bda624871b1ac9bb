"""The embedded world: sampled settlements, split by blocks and put into cells, as raw rows.

Every choice is a seeded hash of an id, so that no order and no process matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hf_mlm.geo import s2
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.world.imagery import blue_marble, corners, encode, patches, surroundings
from hf_mlm.world.languages import SUMMARIES
from hf_mlm.world.places import Places, classes, load_gazetteer
from hf_mlm.world.summaries import summary


def hashed(ids: np.ndarray, purpose: str, seed: int = 0) -> np.ndarray:
    """Hash integer ids to 64 well-mixed bits (the finalizer of SplitMix64).

    Args:
        ids: integers of any shape.
        purpose: names the choice, so that two choices about one id are independent.
        seed: another seed gives another, equally good hash.

    Returns:
        uint64 array of the same shape.

    Example:
        >>> hashed(np.array([1, 2]), "split").tolist()
        [16055770560832250836, 6713161347913287453]
    """
    salt = hashlib.blake2b(f"{purpose}:{seed}".encode(), digest_size=8).digest()
    bits = np.asarray(ids).astype(np.uint64) ^ np.uint64(int.from_bytes(salt, "little"))
    with np.errstate(over="ignore"):
        bits = bits + np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def uniform(ids: np.ndarray, purpose: str, seed: int = 0) -> np.ndarray:
    """Hash integer ids to float64 numbers in the open interval (0, 1); arguments as in ``hashed``."""
    return ((hashed(ids, purpose, seed) >> np.uint64(12)) + 0.5) / 2.0**52


SMALLEST = 7


def sample(places: Places, size: int, seed: int = 0) -> np.ndarray:
    """Choose ``size`` places without replacement.

    A country's weight grows as the square root of its number of places, so that neither Europe's and Mexico's many
    villages nor Asia's few large entries crowd out the rest; within a country, a place's weight grows as the fourth
    root of its population, so that most are small but known towns are there. A world of up to about 150,000 places
    has no two whose patches are the same, because the most populous place of a pixel of imagery goes before the
    others (which keeps city districts out), and none with a digit in its name ("Ct 0001" is a census tract). Samples
    are nested: a smaller world's places are in every larger one of the same seed.

    Args:
        places: the N places to choose from.
        size: how many, 7 … N: six S2 cells cover the earth, so that two of seven places share one, as a cell needs.
        seed: another seed, another sample.

    Returns:
        int64 (size,), positions in ``places``.

    Raises:
        ValueError: ``size`` is not in 7 … N.
    """
    if not SMALLEST <= size <= len(places):
        raise ValueError(f"size={size}: a world has between {SMALLEST} and {len(places):,} places.")
    _, country, counts = np.unique(places.countries.astype(str), return_inverse=True, return_counts=True)
    weights = (places.populations + 500.0) ** 0.25 / np.sqrt(counts[country])
    # Weighted sampling without replacement: the largest u^(1/w) (Efraimidis and Spirakis, 2006).
    keys = np.log(uniform(places.geoname_ids, "sample", seed)) / weights
    return np.lexsort((places.geoname_ids, -keys, _tiers(places)))[:size]


def _tiers(places: Places) -> np.ndarray:
    """0 for the places to take first, 1 and more for those that come when these are used up; int64 (N,)."""
    numbered = [any(letter.isdigit() for letter in name) for name in places.names]
    return np.where(numbered, 1, 0) + _rank_in_pixel(places)


def _rank_in_pixel(places: Places) -> np.ndarray:
    """0 for the most populous place centred on a pixel of imagery, 1 for the next, …; int64 (N,)."""
    rows, columns = corners(places.latitudes, places.longitudes, 2700, 5400, 0)
    pixel = rows * 5400 + columns
    order = np.lexsort((places.geoname_ids, -places.populations, pixel))
    starts = np.flatnonzero(np.diff(pixel[order], prepend=-1))
    ranks = np.empty(len(places), dtype=np.int64)
    ranks[order] = np.arange(len(places)) - np.repeat(starts, np.diff(starts, append=len(places)))
    return ranks


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


CHUNK = 256  # rows whose patches are cut together


class EmbeddedWorld:
    """Settlements of GeoNames with NASA's Blue Marble around them, as raw rows of the ``mlm`` datasets.

    Rows are made when they are asked for. What a row says depends on the place and ``hints`` alone; ``size`` and
    ``seed`` decide which places there are, on which side of the split, and in which cells. Cells are fitted to the
    places of all splits, as in MLM, since held-out places need a label too; the few places that lie in no cell, having
    fewer neighbours than the threshold, are left out before the split.

    ``split="blocks"`` holds out whole S2 cells of level 5 (about 290 km), because a patch spans 474 km: on
    ``"random"``, the easy split, nearly every held-out patch is, shifted by some pixels, also in the training data.
    Patches at the rim of a held-out block still share ground with training patches. In the default world some training
    patch covers 80 % of a test patch's ground for 23 % of the test patches (74 % on ``"random"``), and the training
    patch that looks most alike lies in the right cell for 34 % (74 %). Cells finer than blocks are merged to level 4
    on ``"blocks"``, as nobody could learn a cell that is held out as a whole.

    Args:
        size: number of places, 7 … 234,908, chosen as ``hf_mlm.world.embedded.sample`` says.
        split: "blocks" or "random".
        hints: whether summaries tell country, region, time zone and other names, which nearly give the cell away.
        seed: of the choice of places and of the split.
        density: how many times as many places the training split draws on; cells and the other splits stay as they
            are, and the further places lie in the blocks that are trained on.

    Attributes:
        partition: the `GeoCellPartition`; a row's ``geo_cell`` is an index into its ``tokens``.
        split_sizes: split name -> number of rows.

    Raises:
        ValueError: ``size`` is out of range or ``split`` unknown.
        ImportError: a package of the extra ``demo`` is missing.
    """

    def __init__(
        self, size: int = 6000, split: str = "blocks", hints: bool = True, seed: int = 0, density: int = 1
    ) -> None:
        if split not in ("blocks", "random"):
            raise ValueError(f"split={split!r}: a world is split by 'blocks' or at 'random'.")
        if density < 1:
            raise ValueError(f"density={density}: the training split of a world draws on its places once or more.")
        self.hints = hints
        self._gazetteer = load_gazetteer()
        places = self._gazetteer.places
        chosen = sample(places, size, seed)
        latitudes, longitudes = places.latitudes[chosen], places.longitudes[chosen]
        self.partition = fit_cells(latitudes, longitudes, size / len(places), coarser_than_blocks=split == "blocks")
        cells = self.partition.assign(latitudes, longitudes)
        order = np.argsort(hashed(places.geoname_ids[chosen], "order"))  # so that every slice is a fair sample
        order = order[cells[order] >= 0]
        self._chosen, self._cells = chosen[order], cells[order]
        groups = blocks(latitudes[order], longitudes[order]) if split == "blocks" else places.geoname_ids[self._chosen]
        sides = split_by_group(groups, seed)
        self._members = {name: np.flatnonzero(sides == side) for side, name in enumerate(SPLITS)}
        if density > 1:
            trained = groups[sides == 0] if split == "blocks" else None
            self._add_training(sample(places, min(density * size, len(places)), seed)[size:], trained)
        self.split_sizes = {name: len(members) for name, members in self._members.items()}

    def _add_training(self, more: NDArray[np.int64], groups: NDArray[np.uint64] | None) -> None:
        """Add the places of some blocks, of all when None, to the training split, in hashed order with the others."""
        places = self._gazetteer.places
        latitudes, longitudes = places.latitudes[more], places.longitudes[more]
        cells = self.partition.assign(latitudes, longitudes)
        kept = cells >= 0 if groups is None else (cells >= 0) & np.isin(blocks(latitudes, longitudes), groups)
        first = len(self._chosen)
        self._chosen = np.concatenate([self._chosen, more[kept]])
        self._cells = np.concatenate([self._cells, cells[kept]])
        members = np.concatenate([self._members["train"], np.arange(first, len(self._chosen))])
        order = np.argsort(hashed(places.geoname_ids[self._chosen[members]], "order"))
        self._members["train"] = members[order]

    def rows(self, split: str, start: int = 0, stop: int | None = None) -> Iterator[dict[str, Any]]:
        """Raw rows of a split, in a fixed order.

        Args:
            split: "train", "validation" or "test".
            start: first row.
            stop: the row to stop before; the end of the split when omitted.

        Yields:
            ``entity_id`` ("G" and the GeoNames id), ``label``, ``summaries`` by language, ``images`` (one JPEG
            of 64 × 64 pixels as {"bytes", "path"}), ``classes``, ``latitude`` and ``longitude`` (degrees),
            ``country`` (ISO 3166 alpha-2), ``geo_cell`` (index into ``partition.tokens``).

        Raises:
            ValueError: the split is unknown or the slice is not within it.
        """
        if split not in self._members:
            raise ValueError(f"split={split!r}: a world has the splits {', '.join(SPLITS)}.")
        members = self._members[split]
        stop = len(members) if stop is None else stop
        if not 0 <= start <= stop <= len(members):
            raise ValueError(f"rows {start} to {stop} of split {split!r}: it has {len(members)} rows.")
        return self._rows(members[start:stop])

    def _rows(self, members: np.ndarray) -> Iterator[dict[str, Any]]:
        for first in range(0, len(members), CHUNK):
            chunk = members[first : first + CHUNK]
            yield from self._chunk(self._chosen[chunk], self._cells[chunk].tolist())

    def _chunk(self, chosen: np.ndarray, cells: list[int]) -> Iterator[dict[str, Any]]:
        places = self._gazetteer.places.take(chosen)
        pictures = patches(blue_marble(), places.latitudes, places.longitudes)
        around = surroundings(places.latitudes, places.longitudes)
        wordings = {lang: hashed(places.geoname_ids, f"summary {lang}").tolist() for lang in SUMMARIES}
        for i, facts in enumerate(self._gazetteer.facts(chosen, around)):
            entity_id = f"G{places.geoname_ids[i]}"
            yield {
                "entity_id": entity_id,
                "label": places.names[i],
                "summaries": {lang: summary(facts, lang, wordings[lang][i], self.hints) for lang in SUMMARIES},
                "images": [{"bytes": encode(pictures[i]), "path": f"{entity_id}.jpg"}],
                "classes": classes(facts),
                "latitude": float(places.latitudes[i]),
                "longitude": float(places.longitudes[i]),
                "country": places.countries[i],
                "geo_cell": cells[i],
            }
