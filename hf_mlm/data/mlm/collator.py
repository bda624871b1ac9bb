"""Rows of ``mlm`` to the inputs and targets of IR+LE."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from hf_mlm.data.mlm.rows import texts_of
from hf_mlm.data.mlm.views import ViewRule, choose_views, entity_keys


Row = Mapping[str, Any]
Batch = dict[str, torch.Tensor]
UNKNOWN_CELL = -1  # of an entity
ABSENT = -100  # target of a modality that a row has not


@dataclass(frozen=True)
class DataCollatorForRetrievalAndGeo:
    """Shows one image and one text of each entity, with the cell that both belong to.

    Feature rows become ``image_features``, ``summary_features`` and ``class_features``, float32 (batch, width); raw
    rows become what the processor makes of an image, a summary and all class names. Either way ``image_cells`` and
    ``text_cells``, int64 (batch,), hold the row's ``geo_cell``, -1 where it has none.

    A row may lack its image or its text: that side's cell is then -100, and ``pair_targets``, which only such batches
    have, is 0 there and 1 elsewhere. ``pixel_values`` holds the images that there are, and absent vectors are zeros.

    A ready batch, such as a `FeatureTable` makes, passes through. The swapped pairs of the paper's loss are made by
    the model. With ``transformers.Trainer`` set ``remove_unused_columns=False`` and
    ``label_names=["image_cells", "text_cells"]`` (`hf_mlm.training.irle.arguments.IRLETrainingArguments` does).

    Args:
        processor: an `IRLEProcessor`, for raw rows.
        views: ``"random"`` to train, ``"first"`` to evaluate; see `hf_mlm.data.mlm.views.choose_views`.
        languages: of the summaries that may be shown, all when None; feature files that lost their languages are not
            filtered.
        seed: start of the random views.

    Raises:
        ValueError: when called on rows without ``entity_id``, on raw rows without a processor, on features that are no
            lists of vectors, or on a ``geo_cell`` that is no whole number.

    Example:
        >>> row = {"entity_id": "Q90", "image_features": [[1.0, 2.0]], "summary_features": [[3.0]], "geo_cell": 4}
        >>> batch = DataCollatorForRetrievalAndGeo()([row])
        >>> batch["image_features"], batch["image_cells"]
        (tensor([[1., 2.]]), tensor([4]))
    """

    processor: Any = None
    views: ViewRule = "first"
    languages: tuple[str, ...] | None = None
    seed: int = 0

    def evaluation(self) -> DataCollatorForRetrievalAndGeo:
        """Give the same collator with ``views="first"``: what it shows depends on the row alone."""
        return replace(self, views="first")

    def __call__(self, rows: Sequence[Row] | Batch) -> Batch:
        """Make a batch of rows; a ready batch is returned as it is."""
        if isinstance(rows, dict):
            return rows
        _refuse_stripped(rows)
        views = self._features(rows) if "image_features" in rows[0] else self._raw(rows)
        shown = [
            np.array([view is not None for view in views[name]]) for name in ("image", "summary")
        ]  # (batch,) each
        encoded = _stacked(views) if "image_features" in rows[0] else self._process(views, rows)
        return {**encoded, **targets_of(_cells(rows), *shown)}

    def _features(self, rows: Sequence[Row]) -> dict[str, list]:
        columns = {name: [_vectors(row, f"{name}_features") for row in rows] for name in ("image", "summary", "class")}
        for vectors, row in zip(columns["summary"], rows, strict=True):
            names = row.get("summary_languages")
            if names and self.languages is not None:  # all where the file does not say
                vectors[:] = [vector for name, vector in zip(names, vectors, strict=True) if name in self.languages]
        return self._choose(rows, columns)

    def _raw(self, rows: Sequence[Row]) -> dict[str, list]:
        if self.processor is None:
            raise ValueError(
                "the collator got raw rows and has no processor: DataCollatorForRetrievalAndGeo(IRLEProcessor(…))."
            )
        texts = [texts_of(row.get("summaries"), self.languages) for row in rows]
        return self._choose(rows, {"image": [row.get("images") or [] for row in rows], "summary": texts})

    def _process(self, views: Mapping[str, list], rows: Sequence[Row]) -> Batch:
        images = [image for image in views["image"] if image is not None]
        classes = [row.get("classes") or [] for row in rows]
        text = [text or "" for text in views["summary"]]
        return dict(self.processor(images=images or None, text=text, classes=classes, return_tensors="pt"))

    def _choose(self, rows: Sequence[Row], columns: Mapping[str, list]) -> dict[str, list]:
        """Choose one view of each kind for each row; None where a row has none."""
        listed = [columns.get(name) or [[] for _ in rows] for name in ("image", "summary", "class")]
        counts = np.array([[len(views) for views in column] for column in listed])  # (3, batch)
        positions = choose_views(entity_keys([row["entity_id"] for row in rows]), counts, self.views, self.seed)
        return {
            name: [views[position] if len(views) else None for views, position in zip(column, chosen, strict=True)]
            for name, column, chosen in zip(("image", "summary", "class"), listed, positions, strict=True)
        }


def targets_of(cells: np.ndarray, has_image: np.ndarray, has_text: np.ndarray) -> Batch:
    """Make the targets of a batch.

    Args:
        cells: int64 (batch,), -1 where unknown.
        has_image: bool (batch,).
        has_text: bool (batch,).

    Returns:
        ``image_cells`` and ``text_cells``, int64 (batch,), -100 where that side is absent; where any is,
        ``pair_targets`` too, float32 (batch,), 1 for pairs and 0 for the others.
    """
    sides = {"image_cells": has_image, "text_cells": has_text}
    targets = {name: torch.from_numpy(np.where(there, cells, ABSENT)) for name, there in sides.items()}
    pairs = has_image & has_text
    return targets if pairs.all() else {**targets, "pair_targets": torch.from_numpy(pairs.astype(np.float32))}


def _cells(rows: Sequence[Row]) -> np.ndarray:
    """Cells of the rows, int64 (batch,)."""
    cells = [row.get("geo_cell") for row in rows]
    for row, cell in zip(rows, cells, strict=True):
        if cell is not None and (isinstance(cell, bool) or not isinstance(cell, (int, np.integer))):
            raise ValueError(
                f"Expected geo_cell to be the number of a cell, found {cell!r} in {row['entity_id']}: give the column "
                "the type ClassLabel(names=tokens), whose values are numbers."
            )
    return np.array([UNKNOWN_CELL if cell is None else cell for cell in cells], dtype=np.int64)


def _vectors(row: Row, name: str) -> list[Any]:
    """Vectors of a feature column; none where it is absent or null."""
    vectors = row.get(name)
    if vectors is None or not len(vectors):
        return []
    if np.ndim(vectors[0]) != 1:
        raise ValueError(
            f"Expected {name} to be a list of vectors, found a list of {type(vectors[0]).__name__} in "
            f"{row['entity_id']}: put a single vector into a list of its own."
        )
    return list(vectors)


def _stacked(views: Mapping[str, list]) -> Batch:
    """Join vectors to float32 (batch, width), zeros in place of None; a kind that no row has is left out."""
    batch = {}
    for name, vectors in views.items():
        width = next((len(vector) for vector in vectors if vector is not None), None)
        if width is not None:  # a file without classes, such as the pilot's
            filled = [np.zeros(width) if vector is None else vector for vector in vectors]
            batch[f"{name}_features"] = torch.from_numpy(np.array(filled, dtype=np.float32))
    return batch


def _refuse_stripped(rows: Sequence[Any]) -> None:
    if isinstance(rows[0], Mapping) and "entity_id" in rows[0]:
        return
    found = ", ".join(rows[0]) if isinstance(rows[0], Mapping) else type(rows[0]).__name__
    raise ValueError(
        f"the collator needs whole rows of mlm, with their entity_id, and got {found}: set "
        "remove_unused_columns=False in TrainingArguments, or the Trainer takes away what the model does not ask for."
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
            if "input_ids" in batch:  # no row of this batch has an image
                return batch
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
