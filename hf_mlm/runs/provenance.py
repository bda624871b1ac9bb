"""Provenance of a run: versions, hardware, and fingerprints of the data."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import Dataset, DatasetInfo, Image
from transformers import Trainer

from hf_mlm import __version__
from hf_mlm.files import write_json


PROVENANCE_NAME = "provenance.json"
OWN = "own"
LIBRARIES = ("torch", "transformers", "datasets", "accelerate")
ROWS_AT_A_TIME = 1000


def write_provenance(trainer: Trainer, dataset: Mapping[str, Dataset], name: str, config: str) -> None:
    """Write versions, hardware, data and size of the model to a run's folder, from where its card has them.

    Args:
        trainer: of the run.
        dataset: all splits, as rows.
        name: of the dataset, ``"mlm"`` or ``"mmnerd"``.
        config: of the dataset.
    """
    splits = {split: {"rows": len(rows), "sha256": fingerprint(rows)} for split, rows in dataset.items()}
    about: dict[str, Any] = {"name": name, "config": config, "splits": splits}
    about["origin"] = data_origin(name, config, next(iter(dataset.values())).info)
    if about["origin"] == OWN:
        about["languages"] = languages_in(table for rows in dataset.values() for table in _text_tables(rows))
    found = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": {**hardware(), "processes": trainer.args.world_size},
        "dataset": about,
        "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
    }
    write_json(found, Path(trainer.args.output_dir) / PROVENANCE_NAME)


def data_origin(name: str, config: str, info: DatasetInfo) -> str:
    """Tell where rows are from, on which licences and citations depend.

    Args:
        name: of the dataset, ``"mlm"`` or ``"mmnerd"``.
        config: of the dataset.
        info: of its rows; the builders cite the paper where they read its files.

    Returns:
        ``"demo"`` for the embedded worlds, the dataset's name for the files of its paper, ``"own"`` for all others.
    """
    if config == "demo":
        return config
    return name if info.citation else OWN


_TEXT_COLUMNS = ("language", "summaries", "summary_languages")


def languages_in(tables: Iterable[pa.Table | pa.RecordBatch]) -> list[str]:
    """List the languages of rows, as far as their columns tell, in the order of first appearance.

    Args:
        tables: with a column ``language``, or ``summaries`` by language.
    """
    found: dict[str, None] = {}
    for table in tables:
        for name in _TEXT_COLUMNS:
            if name in table.schema.names:
                values = table[name].combine_chunks() if isinstance(table, pa.Table) else table[name]
                found |= dict.fromkeys(_languages(values))
    return list(found)


def _text_tables(rows: Dataset) -> Iterator[pa.Table]:
    light = rows.select_columns([name for name in rows.column_names if name in _TEXT_COLUMNS]).with_format("arrow")
    return light.iter(ROWS_AT_A_TIME)


def _languages(values: pa.Array) -> list[str]:
    """Values of a column ``language``, or names of the columns that hold a text."""
    kind = values.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _languages(values.flatten())
    if not pa.types.is_struct(kind):
        return pc.unique(values.drop_null()).to_pylist()
    if kind.get_field_index("language") >= 0:
        return _languages(pc.struct_field(values, "language"))
    names = [kind.field(place).name for place in range(kind.num_fields)]
    return [name for name in names if pc.any(pc.not_equal(pc.struct_field(values, name), "")).as_py()]


def fingerprint(rows: Dataset) -> str:
    """Hash the rows of a split, equal on every machine; image columns, which may be paths, are left out.

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
    """Hash validity, lengths and values of an array, not what lies around them in its buffers."""
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
    """Tell whether a feature is an image, or a list or mapping that has one in it."""
    if isinstance(feature, Mapping):
        return any(holds_images(inner) for inner in feature.values())
    inner = getattr(feature, "feature", None)
    return isinstance(feature, Image) or (inner is not None and holds_images(inner))


def hardware() -> dict[str, Any]:
    """Describe the processor and the accelerators of this machine."""
    cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"accelerators": cards, "cpu": _processor(), "cores": cores}


def _processor() -> str:
    """Name of the processor where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def _versions() -> dict[str, str]:
    return {"hf-mlm": __version__, **{library: importlib.metadata.version(library) for library in LIBRARIES}}
