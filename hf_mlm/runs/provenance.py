"""What a run was made of: versions, hardware, and fingerprints of the data."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import Dataset, Image
from transformers import Trainer

from hf_mlm.files import write_json


PROVENANCE_NAME = "provenance.json"
LIBRARIES = ("hf-mlm", "torch", "transformers", "datasets", "accelerate")
ROWS_AT_A_TIME = 1000


def write_provenance(trainer: Trainer, dataset: Mapping[str, Dataset], name: str, config: str) -> None:
    """Note in a run's folder what it was made of, so that its card can tell.

    Args:
        trainer: of the run.
        dataset: all splits, as rows.
        name: of the dataset, ``"mlm"`` or ``"mmnerd"``.
        config: of the dataset.
    """
    splits = {split: {"rows": len(rows), "sha256": fingerprint(rows)} for split, rows in dataset.items()}
    found = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": {**hardware(), "processes": trainer.args.world_size},
        "dataset": {"name": name, "config": config, "splits": splits},
        "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
    }
    write_json(found, Path(trainer.args.output_dir) / PROVENANCE_NAME)


def fingerprint(rows: Dataset) -> str:
    """Hash the rows of a split, the same on every machine; image columns, which may be paths, are left out.

    Args:
        rows: of a dataset; their order counts, how they lie in memory does not.

    Returns:
        SHA-256, in hex, of names and values, a thousand rows at a time.
    """
    columns = [name for name, feature in rows.features.items() if not holds_images(feature)]
    light = rows.select_columns(columns).with_format("arrow")
    digest = hashlib.sha256()
    for start in range(0, len(light), ROWS_AT_A_TIME):
        table: pa.Table = light[start : start + ROWS_AT_A_TIME].combine_chunks()
        for name in columns:
            digest.update(name.encode())
            for chunk in table[name].chunks:
                _add_values(digest, chunk)
    return digest.hexdigest()


def _add_values(digest: Any, array: pa.Array) -> None:
    """Add which values there are, how long they are, and what they are, whatever lies around them in the buffers."""
    digest.update(array.is_valid().to_numpy(zero_copy_only=False).tobytes())
    kind, array = array.type, array.drop_null()
    if pa.types.is_struct(kind):
        for position in range(kind.num_fields):
            _add_values(digest, pc.struct_field(array, [position]))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        digest.update(pc.list_value_length(array).cast(pa.int64()).to_numpy().tobytes())
        _add_values(digest, array.flatten())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        digest.update(pc.binary_length(array).cast(pa.int64()).to_numpy().tobytes())
        digest.update("".join(array.to_pylist()).encode())
    else:
        digest.update(array.to_numpy(zero_copy_only=False).tobytes())


def holds_images(feature: Any) -> bool:
    """Whether a feature is an image, or a list or mapping that has one in it."""
    if isinstance(feature, Mapping):
        return any(holds_images(inner) for inner in feature.values())
    inner = getattr(feature, "feature", None)
    return isinstance(feature, Image) or (inner is not None and holds_images(inner))


def hardware() -> dict[str, Any]:
    """The processor and the accelerators of this machine."""
    cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"accelerators": cards, "cpu": _processor(), "cores": cores}


def _processor() -> str:
    """Its name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def _versions() -> dict[str, str]:
    return {library: importlib.metadata.version(library) for library in LIBRARIES}
