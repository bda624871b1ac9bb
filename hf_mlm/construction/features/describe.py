"""Raw rows as shards of feature rows, whose vectors are made when the shard is read."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import transformers
from datasets import Dataset, load_dataset
from numpy.typing import NDArray

import hf_mlm
from hf_mlm.construction.features.describers import ImageDescriber, TextDescriber, TextRecipe, open_describer
from hf_mlm.construction.stage import batched
from hf_mlm.data.convert import write_shards
from hf_mlm.data.mlm.layout import FeatureShard, FeatureSource, find_layout
from hf_mlm.data.mlm.rows import FeatureRow, FeatureSpec, check_dtype, pack_features
from hf_mlm.files import write_text
from hf_mlm.geo.s2 import centers, from_tokens
from hf_mlm.models.base.images import to_rgb


ROWS_AT_ONCE = 64
COLUMNS = ("entity_id", "images", "summaries", "classes", "latitude", "longitude", "geo_cell")


@dataclass(frozen=True)
class Describers:
    """Encoders of images and texts."""

    images: Sequence[ImageDescriber]
    texts: TextDescriber
    batch_size: int = 32

    @property
    def image_size(self) -> int:
        """Width of the image vectors."""
        return sum(describer.size for describer in self.images)

    def describe_images(self, images: Sequence[tuple[str, Any]]) -> NDArray[np.float32]:
        """Map (name, image) pairs to (images, image_size)."""
        parts = [np.zeros((0, self.image_size), np.float32)]
        for part in batched(images, self.batch_size):
            pictures = [to_rgb(image, name) for name, image in part]
            parts.append(np.concatenate([describer(pictures) for describer in self.images], axis=1))
        return np.concatenate(parts)

    def describe_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Map texts to (texts, size); each different text is encoded once."""
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        vectors = self.texts(list(numbers), self.batch_size)
        return vectors[[numbers[text] for text in texts]]


@dataclass(frozen=True)
class DescribedShard:
    """Some raw rows."""

    rows: Dataset
    start: int
    stop: int
    describers: Describers
    spec: FeatureSpec
    dtype: str = "float32"

    def __len__(self) -> int:
        return self.stop - self.start

    def tables(self) -> Iterator[pa.Table]:
        """The feature rows, some dozens at a time.

        Raises:
            FileNotFoundError: if an image is not there.
            ValueError: naming entity and image, if an image is broken.
        """
        positions = cell_positions(self.rows)
        undecoded = self.rows.with_format("arrow")
        for first in range(self.start, self.stop, ROWS_AT_ONCE):
            rows = undecoded[first : min(first + ROWS_AT_ONCE, self.stop)].to_pylist()
            yield pack_features(feature_rows(rows, self.describers, positions), self.spec, self.dtype)


def feature_rows(
    rows: Sequence[dict[str, Any]], describers: Describers, positions: Sequence[tuple[float, float]]
) -> list[FeatureRow]:
    """Describe raw rows.

    Args:
        rows: with images as ``{"bytes", "path"}``.
        describers: encoders.
        positions: (latitude, longitude) of each cell, degrees.
    """
    names = [f"image {number + 1} of {row['entity_id']}" for row in rows for number in range(len(row["images"]))]
    images = [image for row in rows for image in row["images"]]
    summaries = [told_summaries(row) for row in rows]
    texts = [text for told in summaries for text in told.values()]
    classes = [name for row in rows for name in row["classes"] or []]
    described = describers.describe_texts([*texts, *classes])
    image_parts = _divided(
        describers.describe_images(list(zip(names, images, strict=True))), [len(row["images"]) for row in rows]
    )
    text_parts = _divided(described[: len(texts)], [len(told) for told in summaries])
    class_parts = _divided(described[len(texts) :], [len(row["classes"] or []) for row in rows])
    return [
        FeatureRow(
            row["entity_id"],
            image_part,
            text_part,
            list(told),
            class_part,
            row["geo_cell"],
            positions[row["geo_cell"]],
            (row["latitude"], row["longitude"]),
        )
        for row, told, image_part, text_part, class_part in zip(
            rows, summaries, image_parts, text_parts, class_parts, strict=True
        )
    ]


def told_summaries(row: dict[str, Any]) -> dict[str, str]:
    """Language -> summary, without empty ones."""
    return {language: text for language, text in row["summaries"].items() if text and text.strip()}


def cell_positions(rows: Dataset) -> list[tuple[float, float]]:
    """Latitude and longitude of the centre of each cell, degrees."""
    latitudes, longitudes = centers(from_tokens(rows.features["geo_cell"].names))
    return list(zip(latitudes.tolist(), longitudes.tolist(), strict=True))


def _divided(vectors: NDArray[np.float32], counts: Sequence[int]) -> list[NDArray[np.float32]]:
    return np.split(vectors, np.cumsum(counts)[:-1])


logger = logging.getLogger(__name__)

RECORD = "descriptors.json"
ROWS_PER_SHARD = 512  # the most that a kill -9 loses


def describe(
    data_dir: Path,
    output: Path,
    image_encoders: Sequence[str],
    text_encoder: str,
    config: str = "irle",
    recipe: TextRecipe | None = None,
    dtype: str = "float32",
    batch_size: int = 32,
    device: str | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
    **options: Any,
) -> Path:
    """Describe the images, summaries and classes of raw rows by vectors.

    Vectors do not depend on ``batch_size``, but for the order in which a processor adds the same numbers up: less than
    1e-5 of a vector's length in float32. A run that was interrupted, be it by ``kill -9``, goes on with the shard that
    it was at. Entities without an image or without a summary are left out, as the authors left them out, and counted.

    Args:
        data_dir: folder of raw rows, JSON or the output of `hf-mlm build mlm`.
        output: folder to write.
        image_encoders: folders, repositories of the Hub, or files of ResNet checkpoints; their vectors are joined.
        text_encoder: folder or repository of the Hub.
        config: ``"irle"`` or ``"irle-gr"``.
        recipe: of text vectors; the paper's when omitted.
        dtype: ``"float32"`` or ``"float16"``, type of the vectors.
        batch_size: images, or segments of text, at a time.
        device: of the encoders; an accelerator, if there is one, when omitted.
        rows_per_shard: the most rows in a file.
        **options: of `load_dataset`, such as ``min_entities``.

    Returns:
        ``output``, to be a ``data_dir``; ``descriptors.json`` in it tells encoders, revisions and preprocessing.

    Raises:
        FileNotFoundError: if there are no raw rows.
        ValueError: if a setting is wrong, an image is broken, or ``output`` holds descriptors of something else.
        OSError: if an encoder cannot be opened, or the disk is full.
    """
    check_dtype(dtype)
    if not image_encoders or batch_size < 1 or rows_per_shard < 1:
        raise ValueError("Expected at least one image encoder, and batches and shards of at least 1, found less.")
    source = _stamp(data_dir, config, output) | {"options": options}
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    describers = Describers(
        [open_describer(name, device) for name in image_encoders],
        TextDescriber(text_encoder, recipe, device),
        batch_size,
    )
    hf_mlm.register()
    splits = load_dataset("mlm", config, data_dir=str(data_dir), **options)
    kept = {name: _complete(rows) for name, rows in splits.items()}
    record = {
        "images": [describer.record for describer in describers.images],
        "texts": describers.texts.record,
        "rows": {name: len(rows) for name, rows in kept.items()},
        "left_out": {name: len(splits[name]) - len(rows) for name, rows in kept.items()},
        "cells": next(iter(kept.values())).features["geo_cell"].names,
        "source": source,
        "versions": {
            "hf_mlm": hf_mlm.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }
    text = json.dumps(record, indent=1, ensure_ascii=False, default=str)
    plan = _plan(kept, describers, dtype, rows_per_shard)
    folder = Path(output).expanduser().absolute()
    write_shards(plan, f"descriptors {hashlib.sha256(text.encode()).hexdigest()}", folder, dtype)
    write_text(folder / RECORD, text)
    return folder


def _stamp(data_dir: Path, config: str, output: Path) -> dict[str, Any]:
    if config not in ("irle", "irle-gr"):
        raise ValueError(f"Expected 'irle' or 'irle-gr', whose rows have cells, found config={config!r}.")
    layout = find_layout(data_dir, config)
    if not (layout.raw or layout.built):
        raise FileNotFoundError(f"Expected raw rows in {layout.folder}, found features; give another folder.")
    if layout.folder == Path(output).expanduser().absolute():
        raise ValueError(f"Expected another folder than the source's, found {output} for both; give another output.")
    return {"config": config, "files": layout.stamp()}


def _complete(rows: Dataset) -> Dataset:
    """The rows with an image and a summary."""
    told = rows.select_columns(["images", "summaries"]).with_format("arrow")
    positions = []
    for first in range(0, len(rows), 256):
        part = told[first : first + 256]
        lengths = part["images"].combine_chunks().value_lengths().to_pylist()
        summaries = part.select(["summaries"]).to_pylist()
        positions += [
            first + number
            for number, (length, row) in enumerate(zip(lengths, summaries, strict=True))
            if length and told_summaries(row)
        ]
    if len(positions) < len(rows):
        logger.warning("%s entities without an image or a summary are left out.", len(rows) - len(positions))
    return rows.select(positions).select_columns(list(COLUMNS))


def _plan(splits: dict[str, Dataset], describers: Describers, dtype: str, rows_per_shard: int) -> FeatureSource:
    cells = next(iter(splits.values())).features["geo_cell"].num_classes
    spec = FeatureSpec(describers.image_size, describers.texts.size, describers.texts.size, cells, has_positions=True)
    shards: dict[str, Sequence[FeatureShard]] = {
        name: [
            DescribedShard(rows, start, min(start + rows_per_shard, len(rows)), describers, spec, dtype)
            for start in range(0, len(rows), rows_per_shard)
        ]
        for name, rows in splits.items()
        if len(rows)
    }
    return FeatureSource(spec, shards)
