"""IR+LE: batches of features against HDF5 read entity by entity, and a training step against its LSTM form.

The features are written to a temporary folder, 350 kB an entity. The model is written down once more from its
description, with the convolution and the LSTMs, under the published names.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hf_mlm.benchmarks.harness import Report
from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo


ENTITIES, BATCH, BATCHES, CELLS = 1024, 128, 8, 990
SHAPES = {"images": (2, 4096), "summaries": (2, 3072), "classes": (1, 3072)}
COMPRESSIONS: dict[str, dict[str, Any]] = {
    "gzip-9, as published": {"compression": "gzip", "compression_opts": 9},
    "no compression": {},
}


def run_features(report: Report, sizes: Sequence[int]) -> None:
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
                equal=partial(same_batches, dtype=dtype),
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


def hot_features() -> Callable[[], object]:
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
    entities = [read_entity(file, file["ids"][row]) for row in rows]
    return {name: torch.stack([entity[name] for entity in entities]) for name in entities[0]}


def read_entity(file: Any, number: int) -> dict[str, Any]:
    """One entity as the published loader reads it."""
    images, summaries, classes = (file[f"{number}_{name}"][()] for name in SHAPES)
    return {
        "image_features": torch.from_numpy(images[0]),
        "summary_features": torch.from_numpy(summaries[zlib.crc32(f"Q{number}".encode()) % len(summaries)]),
        "class_features": torch.from_numpy(classes[0]),
        "image_cells": torch.tensor(file[f"{number}_onehot"][()].argmax()),
    }


def same_batches(ours: list[dict[str, Any]], peer: list[dict[str, Any]], dtype: str) -> bool:
    """Whether all batches are the same, after the rounding to ``dtype``."""
    kinds = {name: torch.int64 if name == "image_cells" else getattr(torch, dtype) for name in peer[0]}
    return all(
        torch.equal(mine[name], theirs[name].to(kind).to(mine[name].dtype))
        for mine, theirs in zip(ours, peer, strict=True)
        for name, kind in kinds.items()
    )


class FirstStep(nn.Module):
    """The hidden state of an LSTM's only step."""

    def forward(self, result: tuple) -> torch.Tensor:
        """Take it from what an LSTM returns."""
        return result[0][:, 0]


class UnitLength(nn.Module):
    """Rows divided by their lengths."""

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Divide (rows, size)."""
        return vectors / vectors.pow(2).sum(dim=1, keepdim=True).sqrt()


def branch(*layers: nn.Module) -> nn.ModuleDict:
    """Layers under the published name."""
    return nn.ModuleDict({"embedding": nn.Sequential(*layers, UnitLength())})


class PublishedIRLE(nn.Module):
    """All branches, both heads; ``forward`` gives image, text, image logits and text logits."""

    def __init__(self, image: int, text: int, size: int, cells: int, dropout: float = 0.1):
        super().__init__()
        linear, lstm = nn.Linear(size, size), lambda: nn.LSTM(text, size, batch_first=True)
        self.learn_img = branch(nn.Conv1d(image, size, 1), nn.Flatten(), nn.ReLU(), linear, nn.Tanh())
        self.learn_sum = branch(lstm(), FirstStep(), nn.ReLU(), nn.Linear(size, size), nn.Tanh())
        self.learn_cls = branch(lstm(), FirstStep(), nn.ReLU(), nn.Dropout(dropout), nn.Linear(size, size))
        hidden, output = nn.Linear(size, size), nn.Linear(size, cells)
        head = nn.Sequential(hidden, nn.ReLU(), nn.Flatten(), nn.Dropout(dropout), output)
        self.coord_net = nn.ModuleDict({"coord_net": head})
        self.fc1 = nn.Linear(2 * size, size)
        self.fc2 = nn.Linear(2 * cells, cells)

    def forward(self, images: torch.Tensor, summaries: torch.Tensor, classes: torch.Tensor) -> tuple:
        """Embed and locate a batch of features."""
        image = self.learn_img["embedding"](images[:, :, None])
        summary = self.learn_sum["embedding"](summaries[:, None])
        names = self.learn_cls["embedding"](classes[:, None])
        head = self.coord_net["coord_net"]
        text_logits = self.fc2(torch.cat([head(summary), head(names)], dim=1))
        return image, self.fc1(torch.cat([summary, names], dim=1)), head(image), text_logits


def published_loss(outputs: tuple, pair_targets: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """What the published training minimises: log variances of zero, the mean over tasks, one target for both sides."""
    image, text, image_logits, text_logits = outputs
    cosine = (image * text).sum(dim=1) / (image.norm(dim=1) * text.norm(dim=1))
    retrieval = torch.where(pair_targets > 0, 1 - cosine, (cosine - 0.1).clamp(min=0)).mean()
    geo = functional.cross_entropy(image_logits, cells) + functional.cross_entropy(text_logits, cells)
    return torch.stack([0.5 * retrieval, geo]).mean()


IMAGE, TEXT, SIZE = 4096, 3072, 1024
Step = Callable[[], tuple[torch.Tensor, ...]]


def run_irle_step(report: Report, sizes: Sequence[int]) -> None:
    """Compare steps of both datasets; then growth with the batch, and the weights' products as floor."""
    for batch in sizes or [BATCH]:
        for dataset, cells in (("MLM-irle", 990), ("MLM-irle-gr", 99)):
            ours, peer = steps(cells, batch)
            report.compare(
                f"step of {batch}, {dataset} ({cells} cells), {torch.get_num_threads()} threads",
                ours,
                peer,
                peer_name="`torch.nn.LSTM` and `Conv1d`, plain Adam",
                equal=lambda one, other: all(torch.allclose(a, b, atol=1e-5) for a, b in zip(one, other, strict=True)),
                items=batch,
                target="≥ 2×",
            )
    first = (sizes or [BATCH])[0]
    report.grow("rows of a batch", lambda batch: steps(990, batch)[0], [first * factor for factor in (1, 2, 4, 8)])
    ours, _ = steps(990, first)
    report.floor(f"step of {first}", ours, products(first), "the products of every weight, forward and backward")


def products(batch: int) -> Callable[[], object]:
    """Three products for each matrix of the model: its output, and both gradients."""
    irle = IRLEForRetrievalAndGeo(IRLEConfig(num_geo_cells=990))
    weights = [weight.detach() for weight in irle.parameters() if weight.dim() == 2]
    sides = [(torch.randn(batch, weight.shape[1]), torch.randn(batch, weight.shape[0])) for weight in weights]
    return lambda: [
        (rows @ weight.T, gradient @ weight, gradient.T @ rows)
        for weight, (rows, gradient) in zip(weights, sides, strict=True)
    ]


def hot_irle_step() -> Callable[[], object]:
    """A step of 32."""
    return steps(990, 32)[0]


def steps(cells: int, batch: int) -> tuple[Step, Step]:
    """Our step and the peer's, each giving the outputs from before its update."""
    torch.manual_seed(0)
    published = PublishedIRLE(IMAGE, TEXT, SIZE, cells, dropout=0.0)
    irle = IRLEForRetrievalAndGeo(IRLEConfig.reference(num_geo_cells=cells, dropout=0.0))
    irle.load_reference_state_dict(published.state_dict())
    features = [torch.randn(batch, width) for width in (IMAGE, TEXT, TEXT)]
    targets, pairs = torch.randint(cells, (batch,)), 1 - 2 * (torch.arange(batch) % 2)
    own_optimizer = torch.optim.Adam(irle.parameters(), lr=1e-4, fused=True)
    peer_optimizer = torch.optim.Adam(published.parameters(), lr=1e-4)

    def ours() -> tuple[torch.Tensor, ...]:
        outputs = irle(*features, image_cells=targets, text_cells=targets, pair_targets=pairs)
        update(own_optimizer, outputs.loss)
        embeds, logits = outputs[3:5], outputs[5:7]
        return (*embeds, *logits, outputs.loss)

    def peer() -> tuple[torch.Tensor, ...]:
        outputs = published(*features)
        loss = published_loss(outputs, pairs, targets)
        update(peer_optimizer, loss)
        return (*outputs, loss)

    return ours, peer


def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Take a step down the gradient."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
