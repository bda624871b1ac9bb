"""Raw rows as shards of feature rows, whose vectors are made when the shard is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset
from numpy.typing import NDArray

from hf_mlm.construction.batches import batched
from hf_mlm.construction.features.images import ImageDescriber
from hf_mlm.construction.features.texts import TextDescriber
from hf_mlm.data.formats.feature_table import FeatureRow, FeatureSpec, feature_table
from hf_mlm.geo.s2 import centers, from_tokens
from hf_mlm.models.images import to_rgb


ROWS_AT_ONCE = 64
COLUMNS = ("entity_id", "images", "summaries", "classes", "latitude", "longitude", "geo_cell")


@dataclass(frozen=True)
class Describers:
    """What makes the vectors.

    Attributes:
        images: encoders, whose vectors are joined in this order.
        texts: of summaries and class names.
        batch_size: images or segments at a time; decides about speed alone.
    """

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
    """Some raw rows.

    Attributes:
        rows: of a split, with the columns ``COLUMNS``.
        start: first row.
        stop: row after the last.
        describers: what makes the vectors.
        spec: of the feature rows.
        dtype: of the vectors.
    """

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
            yield feature_table(feature_rows(rows, self.describers, positions), self.spec, self.dtype)


def feature_rows(
    rows: Sequence[dict[str, Any]], describers: Describers, positions: Sequence[tuple[float, float]]
) -> list[FeatureRow]:
    """Describe raw rows.

    Args:
        rows: with images as ``{"bytes", "path"}``.
        describers: what makes the vectors.
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
    """Language -> summary, of those that say something."""
    return {language: text for language, text in row["summaries"].items() if text and text.strip()}


def cell_positions(rows: Dataset) -> list[tuple[float, float]]:
    """Latitude and longitude of the centre of each cell, degrees."""
    latitudes, longitudes = centers(from_tokens(rows.features["geo_cell"].names))
    return list(zip(latitudes.tolist(), longitudes.tolist(), strict=True))


def _divided(vectors: NDArray[np.float32], counts: Sequence[int]) -> list[NDArray[np.float32]]:
    return np.split(vectors, np.cumsum(counts)[:-1])
