"""Adaptive quadtree of MLM §3.3.5: S2 cells that hold neither too many entities nor too few."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_mlm.files import read_json, reason_of, replacing
from hf_mlm.geo import s2
from hf_mlm.geo.distance import great_circle_distance


IdArray = NDArray[np.uint64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Rule:
    """Where splitting starts and ends, and which sparse cells go."""

    first_level: int
    last_level: int
    drops_equal: bool  # whether a cell with exactly min_entities goes


RULES = {
    "paper": Rule(first_level=0, last_level=s2.MAX_LEVEL, drops_equal=False),
    "authors": Rule(first_level=2, last_level=10, drops_equal=True),
}


def split(leaves: IdArray, max_entities: int, min_entities: int, rule: Rule) -> tuple[IdArray, IntArray]:
    """Split crowded cells level by level, then drop the sparse and the empty ones.

    The places are sorted once; a cell is then a run of them, and its population two binary searches. The published
    code drops sparse cells before the splitting too, which changes nothing: they are not split, and go at the end.

    Args:
        leaves: (N,) ascending ids of level 30, one for each place.
        max_entities: a cell with more is split, unless it is of the rule's last level.
        min_entities: a cell with fewer is dropped.
        rule: one of `RULES`.

    Returns:
        Ids in ascending order and populations of the cells that stay, both (C,).
    """
    cells = s2.FACES
    for _ in range(rule.first_level):
        cells = s2.children(cells).ravel()
    counts = _populations(leaves, cells)
    done: list[tuple[IdArray, IntArray]] = []
    for level in range(rule.first_level, rule.last_level + 1):
        stays = (counts <= max_entities) | (level == rule.last_level)
        done.append((cells[stays], counts[stays]))
        cells = s2.children(cells[~stays]).ravel()
        counts = _populations(leaves, cells)

    cells, counts = (np.concatenate(column) for column in zip(*done, strict=True))
    order = np.argsort(cells)
    order = order[counts[order] >= max(min_entities + rule.drops_equal, 1)]
    return cells[order], counts[order]


def _populations(leaves: IdArray, cells: IdArray) -> IntArray:
    first, last = s2.ranges(cells)
    return np.searchsorted(leaves, last, side="right") - np.searchsorted(leaves, first, side="left")


_FORMAT = "hf_mlm geo-cell partition, version 1"


def check_settings(max_entities: int, min_entities: int, rule: str) -> None:
    """Refuse settings of `GeoCellPartition.fit` that no places can satisfy.

    Args:
        max_entities: at least 1.
        min_entities: between 0 and ``max_entities``.
        rule: ``"paper"`` or ``"authors"``.

    Raises:
        ValueError: if one is not.
    """
    if max_entities < 1 or not 0 <= min_entities <= max_entities:
        raise ValueError(
            "max_entities has to be at least 1 and min_entities between 0 and max_entities, but they are "
            f"{max_entities} and {min_entities}."
        )
    if rule not in RULES:
        raise ValueError(f"rule has to be one of {', '.join(map(repr, RULES))}, but is {rule!r}.")


@dataclass(frozen=True, eq=False)
class GeoCellPartition:
    """Disjoint S2 cells of several levels in the order of their tokens; a cell's index is its class.

    Attributes:
        cell_ids: (C,) uint64, ascending.
        counts: (C,) integers, how many of the fitted places lie in each cell; zeros where that is not known.
        settings: the arguments of `fit`; empty for a partition that was not fitted here.

    Raises:
        ValueError: if there is no cell, one is no S2 cell, cells overlap or are out of order, or counts are not one
            number of at least 0 for each.
    """

    cell_ids: NDArray[np.uint64]
    counts: NDArray[np.integer[Any]]
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self):
            raise ValueError("A partition needs at least one cell, but the list of cells is empty.")
        counts = self.counts
        if counts.shape != self.cell_ids.shape or counts.dtype.kind not in "iu" or (counts < 0).any():
            raise ValueError(
                f"counts have to be one integer of at least 0 for each of the {len(self)} cells, but have shape "
                f"{counts.shape} and begin {counts.ravel()[:5].tolist()}."
            )
        first, last = self._ranges
        wrong = last[:-1] >= first[1:]
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"Cells {row} and {row + 1}, {self.tokens[row]!r} and {self.tokens[row + 1]!r}, overlap or are out of "
                "order; tokens have to be sorted and distinct and none inside another: a cell's index is its class."
            )

    @classmethod
    def fit(
        cls,
        latitudes: ArrayLike,
        longitudes: ArrayLike,
        max_entities: int = 500,
        min_entities: int = 20,
        rule: str = "paper",
    ) -> GeoCellPartition:
        """Split the earth adaptively: crowded cells into four again and again, then drop the sparse (MLM §3.3.5).

        ``rule="paper"`` starts from the six faces of the cube (level 0), the roots of S2's quadtree, splits each cell
        with more than ``max_entities`` places, down to level 30 if need be, and drops cells with fewer than
        ``min_entities``. ``rule="authors"`` does what the published code does: it starts from level 2, splits no
        further than level 10, and drops cells with ``min_entities`` or fewer.

        Args:
            latitudes: (N,) degrees in [-90, 90].
            longitudes: (N,) degrees in [-180, 180].
            max_entities: the most places in a cell; only cells of the last level, which cannot be split, hold more.
            min_entities: the fewest places in a cell; empty cells go in any case.
            rule: ``"paper"`` or ``"authors"``.

        Raises:
            ValueError: if a row is missing or off the earth, ``max_entities`` is below 1, ``min_entities`` is negative
                or above ``max_entities``, the rule is unknown, or no cell holds enough places.

        Example:
            >>> partition = GeoCellPartition.fit([50.7, 50.8, 48.1, -33.9], [7.1, 7.0, 11.6, 151.2], 2, 1)
            >>> partition.tokens, partition.counts.tolist()
            (['479', '47b', '7'], [1, 2, 1])
        """
        check_settings(max_entities, min_entities, rule)
        leaves = np.sort(s2.cell_ids(latitudes, longitudes))
        cells, counts = split(leaves, max_entities, min_entities, RULES[rule])
        if not cells.size:
            raise ValueError(
                f"No cell holds enough of the {leaves.size} places; give more places or lower min_entities, which is "
                f"{min_entities}."
            )
        return cls(cells, counts, {"max_entities": max_entities, "min_entities": min_entities, "rule": rule})

    @classmethod
    def from_tokens(cls, tokens: Iterable[str], counts: ArrayLike | None = None) -> GeoCellPartition:
        """Rebuild a partition from its tokens, as a dataset's class names or a model's configuration keep them.

        Args:
            tokens: C sorted S2 tokens.
            counts: (C,) places in each cell; zeros when omitted.

        Raises:
            ValueError: as the class does.

        Example:
            >>> GeoCellPartition.from_tokens(["479", "47b", "7"]).assign([50.7, 0.0], [7.1, 0.0])
            array([ 1, -1])
        """
        cells = s2.from_tokens(tokens)
        numbers = np.zeros(cells.size, np.int64) if counts is None else np.asarray(counts)
        return cls(cells, numbers)

    def __len__(self) -> int:
        return len(self.cell_ids)

    @cached_property
    def tokens(self) -> list[str]:
        """S2 tokens of the cells, C sorted strings."""
        return s2.tokens(self.cell_ids)

    @cached_property
    def levels(self) -> NDArray[np.int64]:
        """S2 levels of the cells, (C,) from 0 (a sixth of the earth) to 30."""
        return s2.levels(self.cell_ids)

    @cached_property
    def centers(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Latitudes and longitudes of the cells' centres in degrees, both (C,)."""
        return s2.centers(self.cell_ids)

    @cached_property
    def radii_km(self) -> NDArray[np.float64]:
        """Distances from each centre to the cell's farthest corner, (C,) km: no place in the cell is farther."""
        latitudes, longitudes = self.centers
        corners = s2.corners(self.cell_ids)  # twice (C, 4)
        return great_circle_distance(latitudes[:, None], longitudes[:, None], *corners).max(axis=1)

    def assign(self, latitudes: ArrayLike, longitudes: ArrayLike) -> NDArray[np.int64]:
        """Find the cell that each place lies in.

        Args:
            latitudes: (N,) degrees in [-90, 90].
            longitudes: (N,) degrees in [-180, 180].

        Returns:
            (N,) int64, indices into `tokens`; -1 where no cell covers the place.

        Raises:
            ValueError: if a row is missing or off the earth.
        """
        ids = s2.cell_ids(latitudes, longitudes, level=int(self.levels.max()))
        first, last = self._ranges
        row = np.searchsorted(first, ids, side="right") - 1  # the last cell that begins at or before the place
        return np.where((row >= 0) & (ids <= last[row]), row, -1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the partition as JSON; an existing file is replaced only once the new one is complete.

        Args:
            path: of the file.

        Raises:
            OSError: if the folder does not exist or cannot be written to.
        """
        content = {
            "format": _FORMAT,
            "settings": self.settings,
            "tokens": self.tokens,
            "counts": self.counts.tolist(),
        }
        with replacing(path) as unfinished:
            unfinished.write_text(json.dumps(content), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> GeoCellPartition:
        """Read what `save` has written.

        Args:
            path: of the file.

        Raises:
            OSError: if there is no such file.
            ValueError: if it is no partition, or a damaged one; the message names the file.
        """
        content = read_json(path, "give the file that GeoCellPartition.save wrote")
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ValueError(
                f'{path} does not say "format": "{_FORMAT}"; give the file that GeoCellPartition.save wrote.'
            )
        try:
            return cls(s2.from_tokens(content["tokens"]), np.asarray(content["counts"]), dict(content["settings"]))
        except KeyError as error:
            raise ValueError(f"{path} is damaged: it has no {error}.") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path} is damaged: {reason_of(error)}") from error

    @cached_property
    def _ranges(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        return s2.ranges(self.cell_ids)
