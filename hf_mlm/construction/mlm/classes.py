"""Which classes count as settlements: those within a few subclass-of steps of a base type (MLM §3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from datatrove.data import Document
from numpy.typing import NDArray

from hf_mlm.construction.mlm.items import item_number
from hf_mlm.construction.stage import Block, ReadStage, to_document


CLASS_SCHEMA = pa.schema({"id": pa.string(), "hops": pa.int64()})


class ClassesOfDump(Block):
    """Walks down the class tree that the items of a dump make.

    A class counts if it is one, two … or ``hops`` steps below a base type, whether or not anything is below it: the
    authors' query joined the three levels and so lost every class without a descendant three steps down.

    Args:
        items: folder of the stage that read the dump.
        base_types: ids.
        hops: how many steps.
    """

    name = "classes"

    def __init__(self, items: Path, base_types: Sequence[str], hops: int) -> None:
        super().__init__()
        self.items, self.base_types, self.hops = items, tuple(base_types), hops

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give the classes and how many steps each is below the nearest base type."""
        reader = ReadStage(self.items, whole=True, columns=["id", "superclasses"])
        reader.ledger = self.ledger
        numbers = (
            item_number(item)
            for row in reader.rows()
            for superclass in row["superclasses"]
            for item in (row["id"], superclass)
        )
        children, parents = np.fromiter(numbers, np.int64).reshape(-1, 2).T  # (edges,) each
        base = np.array([item_number(item) for item in self.base_types])
        for number, distance in distances(children, parents, base, self.hops).items():
            yield to_document({"id": f"Q{number}", "hops": distance})


def distances(
    children: NDArray[np.int64], parents: NDArray[np.int64], base: NDArray[np.int64], hops: int
) -> dict[int, int]:
    """Steps from the nearest base, of all within ``hops`` steps; cycles do no harm.

    Args:
        children: (edges,) numbers of the classes that are below.
        parents: (edges,) what they are below.
        base: numbers to start from, at distance 0.
        hops: the most steps.

    Returns:
        number -> steps, nearest first and in the order of the numbers.

    Example:
        >>> distances(np.array([2, 3, 3]), np.array([1, 2, 1]), np.array([1]), 2)
        {1: 0, 2: 1, 3: 1}
    """
    found = dict.fromkeys(sorted(base.tolist()), 0)
    frontier = base
    for step in range(1, hops + 1):
        reached = np.unique(children[np.isin(parents, frontier)])
        frontier = np.array([number for number in reached.tolist() if number not in found], np.int64)
        found |= dict.fromkeys(frontier.tolist(), step)
    return found
