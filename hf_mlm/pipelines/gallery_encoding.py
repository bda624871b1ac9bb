"""Embeddings of a dataset, made once, and the mark of the model that made them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from datasets import Dataset
from huggingface_hub.utils import tqdm
from torch.utils.data import DataLoader

from hf_mlm.data.collators import DataCollatorForRetrievalAndGeo
from hf_mlm.data.features import FEATURE_COLUMNS, FeatureTable


COLUMNS = {"image": ("images", "image_features"), "text": ("summaries", "summary_features")}  # raw rows, feature rows
IMAGE_INPUTS = ("image_features", "pixel_values")
TARGETS = ("image_cells", "text_cells")


def fingerprint(model: Any) -> str:
    """Name a model by its weights, 32 hexadecimal digits.

    Weights count as they are in bfloat16, so that a model has one name in float32 and in bfloat16.

    Args:
        model: any module.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, values in sorted(model.state_dict().items()):
        values = values.detach().cpu().reshape(-1)
        if values.is_floating_point():
            values = values.bfloat16().view(torch.int16)
        digest.update(name.encode())
        digest.update(values.contiguous().numpy())
    return digest.hexdigest()


@torch.inference_mode()
def embed_rows(model: Any, rows: Dataset, processor: Any = None, batch_size: int = 64) -> dict[str, torch.Tensor]:
    """Embed the images and the texts of a dataset, with the views that evaluation shows.

    Args:
        model: an `IRLEForRetrievalAndGeo` with the task retrieval.
        rows: rows of ``mlm``, raw or features; raw ones may have no column ``summaries``, or none of ``images``.
        processor: of raw rows.
        batch_size: rows that are encoded together.

    Returns:
        For ``"image"`` and ``"text"``, as far as the rows have them, float32 (rows, embedding_size) on the CPU.

    Raises:
        ValueError: if the rows are none that the model reads, or an embedding is not finite.
    """
    modalities = _modalities(model, rows)
    loader = _loader(rows, modalities, processor, batch_size)
    training, parts = model.training, []
    model.eval()
    for batch in tqdm(loader, desc="Encoding the gallery", unit=" batches"):
        parts.append(_embed(model, modalities, {name: values.to(model.device) for name, values in batch.items()}))
    model.train(training)
    embeds = {name: torch.cat([part[name] for part in parts]) for name in modalities}
    for name, values in embeds.items():
        if not values.isfinite().all():
            raise ValueError(f"the model's {name} embeddings are not finite: look at its weights and its input.")
    return embeds


def _modalities(model: Any, rows: Any) -> list[str]:
    if not isinstance(rows, Dataset) or not len(rows):
        raise ValueError(f"a gallery is made of a datasets.Dataset with at least one row, not of {rows!r:.200}.")
    if "retrieval" not in model.config.tasks:
        raise ValueError("this model was not trained for retrieval and has no embeddings: add the task 'retrieval'.")
    found = [name for name, columns in COLUMNS.items() if set(columns) & set(rows.column_names)]
    if not found:
        raise ValueError(
            f"a gallery needs rows of mlm, with images, summaries or features, and got {', '.join(rows.column_names)}."
        )
    return found


def _loader(rows: Dataset, modalities: Sequence[str], processor: Any, batch_size: int) -> DataLoader:
    if set(FEATURE_COLUMNS) & set(rows.column_names):
        return DataLoader(FeatureTable(rows), batch_size, collate_fn=DataCollatorForRetrievalAndGeo())
    if processor is None:
        raise ValueError("these rows hold images and texts: pass the model's processor as well.")
    both = len(modalities) == len(COLUMNS)
    collate: Callable[..., Any] = (
        DataCollatorForRetrievalAndGeo(processor) if both else partial(_one_modality, processor=processor)
    )
    return DataLoader(rows, batch_size, collate_fn=collate)


def _one_modality(rows: Sequence[Mapping[str, Any]], processor: Any) -> dict[str, torch.Tensor]:
    """The first image of each row, or its first summary and its classes."""
    for number, row in enumerate(rows):
        name = "images" if "images" in row else "summaries"
        if not (row["images"] if name == "images" else any(row["summaries"].values())):
            raise ValueError(f"{row.get('entity_id', f'a row ({number} of its batch)')} has no {name}: filter it out.")
    if "images" in rows[0]:
        return dict(processor(images=[row["images"][0] for row in rows]))
    texts = [next(text for text in row["summaries"].values() if text) for row in rows]
    return dict(processor(text=texts, classes=[row.get("classes") or "" for row in rows]))


def _embed(model: Any, modalities: Sequence[str], batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Embeddings of a batch by modality, each (batch, embedding_size)."""
    images = {name: batch.pop(name) for name in IMAGE_INPUTS if name in batch}
    texts = {name: values for name, values in batch.items() if name not in TARGETS}
    encoders = {"image": partial(model.encode_images, **images), "text": partial(model.encode_texts, **texts)}
    return {name: encoders[name]().embeds.float().cpu() for name in modalities}
