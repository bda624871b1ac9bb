"""Entity F1 of exported taggers, which tells the cost of quantisation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from datasets import Dataset, load_dataset

import hf_mlm
from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.data.mmnerd.encoding import encode_dataset
from hf_mlm.export.runtime import open_session, run
from hf_mlm.metrics.functional.entities import EntityTally


def entity_f1(
    folder: Path, dataset: str, data_dir: str | None = None, split: str = "test", batch_size: int = 32
) -> dict[str, float]:
    """Score every file of an exported tagger on sentences with labels.

    Args:
        folder: as `hf_mlm.export.onnx.export` writes it.
        dataset: configuration of ``mmnerd``, such as ``"en"`` or ``"demo"``.
        data_dir: folder of its files.
        split: such as ``"test"``.
        batch_size: sentences of a batch.

    Returns:
        Micro F1, lenient as in the paper, of each file: the one in 32 bits first.

    Raises:
        ValueError: if the export is no tagger's, or there is no such dataset or split.
    """
    hf_mlm.register()
    description = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    if "words" not in description:
        raise ValueError("entities are what F1 is measured of, and this model has none: leave out --evaluate.")
    splits = load_dataset("mmnerd", dataset, **({"data_dir": data_dir} if data_dir else {}))
    if split not in splits:
        raise ValueError(f"the dataset {dataset!r} has no split {split!r}; choose one of {', '.join(splits)}.")
    processor = transformers.AutoProcessor.from_pretrained(folder)
    rows = encode_dataset(splits[split], processor)
    inputs = description["files"]["model.onnx"]["inputs"]
    names = ["model.onnx", *description.get("quantized", [])]
    return {name: _score(folder / name, rows, processor, inputs, batch_size) for name in names}


def _score(path: Path, rows: Dataset, processor: Any, inputs: dict[str, Any], batch_size: int) -> float:
    collate = DataCollatorForMultimodalTokenClassification(processor)
    session, tally = open_session(path), EntityTally(_label_names(path.parent))
    for batch in rows.iter(batch_size):
        sentences = [dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True)]
        arrays = {name: values.numpy() for name, values in collate(sentences).items()}
        labels = arrays.pop("labels")
        tally.add(labels, run(session, _complete(arrays, inputs))["predictions"])
    return tally.report()["f1"]


def _complete(arrays: dict[str, np.ndarray], inputs: dict[str, Any]) -> dict[str, np.ndarray]:
    """Put an image of zeros where a model takes images and no sentence has one."""
    if "pixel_values" in inputs and "pixel_values" not in arrays:
        rows = len(arrays["input_ids"])
        shape = (1, *inputs["pixel_values"]["shape"][1:])
        arrays = arrays | {"pixel_values": np.zeros(shape, np.float32), "image_index": np.full(rows, -1)}
    return {name: arrays[name] for name in inputs}


def _label_names(folder: Path) -> list[str]:
    return transformers.AutoConfig.from_pretrained(folder).label_names
