"""Batches of features: one gather from the Arrow cache, against the published loader's reads entity by entity.

It writes 350 kB an entity to a temporary folder.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hf_mlm.benchmarks.harness import Report


ENTITIES, BATCH, BATCHES, CELLS = 1024, 128, 8, 990
SHAPES = {"images": (2, 4096), "summaries": (2, 3072), "classes": (1, 3072)}
COMPRESSIONS: dict[str, dict[str, Any]] = {
    "gzip-9, as published": {"compression": "gzip", "compression_opts": 9},
    "no compression": {},
}


def run(report: Report, sizes: Sequence[int]) -> None:
    """Compare with both kinds of file; then growth with the batch, and a copy of a batch's bytes as floor."""
    for entities in sizes or [ENTITIES]:
        with tempfile.TemporaryDirectory() as folder:
            for number, (name, options) in enumerate(COMPRESSIONS.items()):
                path = Path(folder, f"irle_{number}", "train.h5")
                write_hdf5(path, options, entities)
                compare(path, name, report, entities)
            scale(path, report, entities)


def scale(path: Path, report: Report, entities: int) -> None:
    """Measure growth with the batch, and a copy of a batch's bytes as floor."""
    table = open_table(path, "float32")

    def gather(size: int) -> Callable[[], object]:
        rows = rows_of(entities, size)
        return lambda: table.__getitems__(rows)

    report.grow("rows of a batch", gather, [BATCH * factor for factor in (1, 2, 4, 8)])
    bytes_of_batch = np.ones((BATCH, sum(width for _, width in SHAPES.values())), np.float32)
    report.floor(f"batch of {BATCH}", gather(BATCH), bytes_of_batch.copy, "a copy of its bytes")


def compare(path: Path, compression: str, report: Report, entities: int) -> None:
    """Compare batches of a file in either width."""
    import h5py

    order = np.array(rows_of(entities, BATCH * BATCHES)).reshape(BATCHES, BATCH).tolist()
    with h5py.File(path) as file:
        for dtype in ("float32", "float16"):
            table = open_table(path, dtype)
            report.compare(
                f"{BATCHES} random batches, {dtype} columns",
                partial(gather_all, table, order),
                lambda: [read_hdf5(file, rows) for rows in order],
                peer_name=f"h5py, five reads an entity, {compression}",
                equal=partial(equal, dtype=dtype),
                items=BATCH * BATCHES,
                target="≥ 20×",
            )


def gather_all(table: Any, order: list[list[int]]) -> list[dict[str, Any]]:
    """Batches of the rows of each list."""
    return [table.__getitems__(rows) for rows in order]


def open_table(path: Path, dtype: str) -> Any:
    """The train split of a file, for the collator to gather from; its cache lies beside the file."""
    from datasets import load_dataset

    import hf_mlm  # noqa: F401  (registers the builder)
    from hf_mlm.data.mlm.torch_datasets import FeatureTable

    options = {"data_dir": str(path.parent), "cache_dir": str(path.parent.parent / "cache"), "dtype": dtype}
    return FeatureTable(load_dataset("mlm", "irle", **options)["train"])


def rows_of(entities: int, count: int) -> list[int]:
    """Random rows, over again where there are fewer."""
    return np.resize(np.random.default_rng(1).permutation(entities), count).tolist()


def hot() -> Callable[[], object]:
    """One batch of 128."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "irle", "train.h5")
        write_hdf5(path, {}, 2 * BATCH)
        table = open_table(path, "float32")
        table.__getitems__([0])  # maps the file, which may then go
    return lambda: table.__getitems__(rows_of(2 * BATCH, BATCH))


def write_hdf5(path: Path, options: dict[str, Any], entities: int) -> None:
    """Features laid out as published: one dataset an entity and field."""
    import h5py

    rng = np.random.default_rng(0)
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["ids"] = np.arange(1, entities + 1)
        for number in range(1, entities + 1):
            arrays = {name: np.maximum(rng.normal(size=shape), 0).astype("f4") for name, shape in SHAPES.items()}
            arrays["onehot"] = np.eye(CELLS, dtype="f4")[rng.integers(CELLS)]
            arrays["coordinates"] = rng.uniform(-80, 80, 2).astype("f4")
            for name, array in arrays.items():
                file.create_dataset(f"{number}_{name}", data=array, **options)


def read_hdf5(file: Any, rows: list[int]) -> dict[str, Any]:
    """A batch as the published loader makes it: five reads an entity, whole arrays, one row of each kept."""
    import torch

    entities = [read_entity(file, file["ids"][row]) for row in rows]
    return {name: torch.stack([entity[name] for entity in entities]) for name in entities[0]}


def read_entity(file: Any, number: int) -> dict[str, Any]:
    """One entity as the published loader reads it."""
    import torch

    images, summaries, classes = (file[f"{number}_{name}"][()] for name in SHAPES)
    return {
        "image_features": torch.from_numpy(images[0]),
        "summary_features": torch.from_numpy(summaries[zlib.crc32(f"Q{number}".encode()) % len(summaries)]),
        "class_features": torch.from_numpy(classes[0]),
        "image_cells": torch.tensor(file[f"{number}_onehot"][()].argmax()),
    }


def equal(ours: list[dict[str, Any]], peer: list[dict[str, Any]], dtype: str) -> bool:
    """Whether all batches are the same, after the rounding to ``dtype``."""
    import torch

    kinds = {name: torch.int64 if name == "image_cells" else getattr(torch, dtype) for name in peer[0]}
    return all(
        torch.equal(mine[name], theirs[name].to(kind).to(mine[name].dtype))
        for mine, theirs in zip(ours, peer, strict=True)
        for name, kind in kinds.items()
    )
