"""Batches of features: one gather from the Arrow cache, against the published loader's reads entity by entity.

Run as ``python benchmarks/bench_features.py``; it writes 700 MB to a temporary folder.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from harness import Report


ENTITIES, BATCH, BATCHES, CELLS = 2000, 128, 8, 990
SHAPES = {"images": (2, 4096), "summaries": (2, 3072), "classes": (1, 3072)}
COMPRESSIONS = {"gzip-9, as published": {"compression": "gzip", "compression_opts": 9}, "no compression": {}}


def main() -> None:
    report = Report(
        f"Feature batches of {BATCH} (4096 + 3072 + 3072 values an entity)", ("datasets", "pyarrow", "h5py", "torch")
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_HOME"] = folder
        for number, (name, options) in enumerate(COMPRESSIONS.items()):
            path = Path(folder, f"irle_{number}", "train.h5")
            write_hdf5(path, options)
            compare(path, name, report)
    report.show()


def compare(path: Path, compression: str, report: Report) -> None:
    import h5py
    from datasets import load_dataset

    import hf_mlm  # noqa: F401  (registers the builder)
    from hf_mlm.data.features import FeatureTable

    order = np.random.default_rng(1).permutation(ENTITIES)[: BATCH * BATCHES].reshape(BATCHES, BATCH).tolist()
    with h5py.File(path) as file:
        for dtype in ("float32", "float16"):
            table = FeatureTable(load_dataset("mlm", "irle", data_dir=str(path.parent), dtype=dtype)["train"])
            report.compare(
                f"{BATCHES} random batches, {dtype} columns",
                lambda table=table: [table.__getitems__(rows) for rows in order],
                lambda: [read_hdf5(file, rows) for rows in order],
                peer_name=f"h5py, five reads an entity, {compression}",
                equal=lambda ours, peer, dtype=dtype: equal(ours, peer, dtype),
                items=BATCH * BATCHES,
                target="≥ 12×",
            )


def write_hdf5(path: Path, options: dict[str, Any]) -> None:
    """Features laid out as published: one dataset an entity and field."""
    import h5py

    rng = np.random.default_rng(0)
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["ids"] = np.arange(1, ENTITIES + 1)
        for number in range(1, ENTITIES + 1):
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


if __name__ == "__main__":
    main()
