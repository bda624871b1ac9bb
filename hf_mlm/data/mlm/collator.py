"""Rows of ``mlm`` to the inputs and targets of IR+LE."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from hf_mlm.data.mlm.views import ViewRule, choose_views, entity_keys


Row = Mapping[str, Any]
Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class DataCollatorForRetrievalAndGeo:
    """Shows one image and one text of each entity, with the cell that both belong to.

    Feature rows become ``image_features``, ``summary_features`` and ``class_features``, float32 (batch, width); raw
    rows become what the processor makes of an image, a summary and all class names. Either way ``image_cells`` and
    ``text_cells``, int64 (batch,), hold the row's ``geo_cell``, -1 where it has none. A ready batch, such as a
    `FeatureTable` makes, passes through. The exchanged pairs of the paper's loss are made by the model.

    With ``transformers.Trainer`` set ``remove_unused_columns=False`` and
    ``label_names=["image_cells", "text_cells"]`` (`hf_mlm.training.irle.arguments.IRLETrainingArguments` does).

    Args:
        processor: an `IRLEProcessor`, for raw rows.
        views: ``"random"`` to train, ``"first"`` to evaluate; see `hf_mlm.data.mlm.views.choose_views`.
        languages: of the summaries that may be shown; feature files that lost their languages are not filtered.
        seed: start of the random views.

    Raises:
        ValueError: when called on rows without ``entity_id``, on raw rows without a processor, or on an entity that
            has no image, or no summary in any of the languages.

    Example:
        >>> row = {"entity_id": "Q90", "image_features": [[1.0, 2.0]], "summary_features": [[3.0]], "geo_cell": 4}
        >>> batch = DataCollatorForRetrievalAndGeo()([row])
        >>> batch["image_features"], batch["image_cells"]
        (tensor([[1., 2.]]), tensor([4]))
    """

    processor: Any = None
    views: ViewRule = "first"
    languages: tuple[str, ...] = ("en", "de", "fr")
    seed: int = 0

    def evaluation(self) -> DataCollatorForRetrievalAndGeo:
        """Give the same collator with ``views="first"``: what it shows depends on the row alone."""
        return replace(self, views="first")

    def __call__(self, rows: Sequence[Row] | Batch) -> Batch:
        """Make a batch of rows; a ready batch is returned as it is."""
        if isinstance(rows, dict):
            return rows
        _refuse_stripped(rows)
        encode = self._encode_features if "image_features" in rows[0] else self._encode_raw
        cells = [row.get("geo_cell") for row in rows]
        targets = torch.tensor([-1 if cell is None else cell for cell in cells])  # (batch,)
        return {**encode(rows), "image_cells": targets, "text_cells": targets}

    def _encode_features(self, rows: Sequence[Row]) -> Batch:
        summaries = [self._feature_summaries(row) for row in rows]
        images = [row["image_features"] for row in rows]
        classes = [[] if (found := row.get("class_features")) is None else found for row in rows]
        views = self._choose(rows, images, summaries, classes)
        if not any(len(row) for row in classes):  # a file without classes, such as the pilot's
            views.pop("class")
        return {f"{name}_features": _stack(vectors) for name, vectors in views.items()}

    def _encode_raw(self, rows: Sequence[Row]) -> Batch:
        if self.processor is None:
            raise ValueError(
                "the collator got raw rows and has no processor: DataCollatorForRetrievalAndGeo(IRLEProcessor(…))."
            )
        texts = [[text for name in self.languages if (text := row["summaries"].get(name))] for row in rows]
        views = self._choose(rows, [row["images"] for row in rows], texts, [[] for _ in rows])
        classes = [row["classes"] for row in rows]
        return dict(self.processor(images=views["image"], text=views["summary"], classes=classes, return_tensors="pt"))

    def _feature_summaries(self, row: Row) -> Sequence[Any]:
        """Those in the languages asked for; all where the file does not say."""
        names = row.get("summary_languages")
        if not names:
            return row["summary_features"]
        return [vector for name, vector in zip(names, row["summary_features"], strict=True) if name in self.languages]

    def _choose(self, rows: Sequence[Row], images: list, summaries: list, classes: list) -> dict[str, list]:
        """One view of each kind for each row; None where a row has no class."""
        modalities = {"image": images, "summary": summaries, "class": classes}
        for name in ("image", "summary"):
            _refuse_empty(rows, name, modalities[name], self.languages)
        counts = np.array([[len(views) for views in modality] for modality in modalities.values()])  # (3, batch)
        positions = choose_views(entity_keys([row["entity_id"] for row in rows]), counts, self.views, self.seed)
        return {
            name: [views[position] if len(views) else None for views, position in zip(modality, chosen, strict=True)]
            for (name, modality), chosen in zip(modalities.items(), positions, strict=True)
        }


def _stack(vectors: list[Any]) -> torch.Tensor:
    """Join vectors to float32 (batch, width), zeros in place of None."""
    width = next(len(vector) for vector in vectors if vector is not None)
    zeros = np.zeros(width)
    return torch.from_numpy(np.array([zeros if vector is None else vector for vector in vectors], dtype=np.float32))


def _refuse_stripped(rows: Sequence[Any]) -> None:
    if isinstance(rows[0], Mapping) and "entity_id" in rows[0]:
        return
    found = ", ".join(rows[0]) if isinstance(rows[0], Mapping) else type(rows[0]).__name__
    raise ValueError(
        f"the collator needs whole rows of mlm, with their entity_id, and got {found}: set "
        "remove_unused_columns=False in TrainingArguments, or the Trainer takes away what the model does not ask for."
    )


def _refuse_empty(rows: Sequence[Row], name: str, views: list, languages: tuple[str, ...]) -> None:
    for row, found in zip(rows, views, strict=True):
        if not len(found):
            where = f" in any of {', '.join(languages)}" if name == "summary" else ""
            raise ValueError(
                f"entity {row['entity_id']} has no {name}{where}, and a pair needs both modalities: leave such rows "
                "out with dataset.filter."
            )


@dataclass(frozen=True)
class RandomCrops:
    """Makes batches as another collator does, and cuts a random window out of every image.

    Evaluation sees whole images, so the image encoder must take several sizes, as convolutional ones do. Windows
    depend on the batch and the seed alone, like the views that are shown.

    Args:
        collator: such as `DataCollatorForRetrievalAndGeo` with ``views="random"``.
        size: pixels of a window's side.
        seed: start of the random draws.

    Raises:
        ValueError: when called, if the images are smaller than the window, or there are none.
    """

    collator: Any
    size: int
    seed: int = 0

    def evaluation(self) -> Any:
        """Give the other collator's evaluation, on whole images."""
        return self.collator.evaluation()

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Make a batch whose ``pixel_values`` are (batch, 3, size, size)."""
        batch = self.collator(rows)
        if "pixel_values" not in batch:
            raise ValueError(f"there is no image to crop to {self.size} pixels: the rows hold precomputed features.")
        keys = entity_keys([row["entity_id"] for row in rows])
        generator = np.random.default_rng([self.seed, zlib.crc32(keys.tobytes())])
        return {**batch, "pixel_values": random_windows(batch["pixel_values"], self.size, generator)}


def random_windows(images: torch.Tensor, size: int, generator: np.random.Generator) -> torch.Tensor:
    """Cut one window out of each image, every position as likely.

    Args:
        images: (batch, channels, height, width).
        size: of the window, in pixels.
        generator: of the positions.

    Returns:
        (batch, channels, size, size).

    Raises:
        ValueError: if an image is smaller than the window.
    """
    height, width = images.shape[2:]
    if size > min(height, width):
        raise ValueError(f"a window of {size} pixels does not fit into images of {height} × {width}.")
    tops = generator.integers(0, height - size + 1, len(images))  # (batch,)
    lefts = generator.integers(0, width - size + 1, len(images))
    corners = zip(images, tops.tolist(), lefts.tolist(), strict=True)
    return torch.stack([image[:, top : top + size, left : left + size] for image, top, left in corners])
