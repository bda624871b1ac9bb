"""Galleries: entities that were embedded once, to be searched by images and texts ever after."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, Value

from hf_mlm.pipelines.gallery_encoding import embed_rows, fingerprint
from hf_mlm.pipelines.gallery_files import read_gallery, write_gallery


BLOCK_SCORES = 2**22  # similarities that are kept at a time while searching


@dataclass(frozen=True, eq=False)
class Gallery:
    """Embeddings of entities and what is known of them.

    Args:
        embeds: for ``"image"`` and ``"text"``, or one of them, float32 (entities, embedding_size).
        entities: a dataset with one row each: ids, labels, places.
        fingerprint: of the model that embedded them; see `hf_mlm.pipelines.gallery_encoding.fingerprint`.

    Raises:
        ValueError: if there is no embedding, or not one for each entity.

    Example:
        >>> gallery = Gallery({"text": torch.eye(3)}, Dataset.from_dict({"entity_id": ["Q1", "Q2", "Q3"]}), "")
        >>> scores, rows = gallery.search(torch.tensor([[0.0, 0.6, 0.8]]), "text", top_k=2)
        >>> rows.tolist()
        [[2, 1]]
    """

    embeds: Mapping[str, torch.Tensor]
    entities: Dataset
    fingerprint: str

    def __post_init__(self) -> None:
        shapes = {name: tuple(values.shape) for name, values in self.embeds.items()}
        widths = {shape[1:] for shape in shapes.values()}
        if not shapes or not len(self) or len(widths) > 1 or any(shape[0] != len(self) for shape in shapes.values()):
            raise ValueError(f"a gallery of {len(self)} entities needs an embedding for each, and has {shapes}.")

    @classmethod
    def encode(cls, model: Any, rows: Dataset, processor: Any = None, batch_size: int = 64) -> Gallery:
        """Embed a dataset.

        Args:
            model: an `IRLEForRetrievalAndGeo`.
            rows: rows of ``mlm``, raw or features. Raw ones may lack ``summaries`` or ``images`` altogether: then the
                gallery answers only images, or only texts, not both. Columns of plain strings and numbers, such as
                ``entity_id`` and ``label``, are kept to be returned.
            processor: of raw rows.
            batch_size: rows that are embedded together.

        Raises:
            ValueError: if the rows are none that the model reads.
        """
        embeds = embed_rows(model, rows, processor, batch_size)
        plain = [name for name in rows.column_names if isinstance(rows.features[name], Value)]
        entities = rows.select_columns(plain) if plain else Dataset.from_dict({"row": list(range(len(rows)))})
        return cls(embeds, entities, fingerprint(model))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the gallery, and its FAISS indexes if it has any; a model looks for its own in ``gallery`` below it.

        Args:
            folder: is made where it does not exist; an older gallery there is replaced.

        Raises:
            OSError: if the folder cannot be written to, or the disk is full.
        """
        write_gallery(Path(folder), self.embeds, self.entities, self.fingerprint)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Gallery:
        """Open what `save` has written; embeddings stay in the file and are mapped into memory.

        Args:
            folder: of the gallery.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if its files are damaged or do not belong together.
        """
        return cls(*read_gallery(Path(folder)))

    def __len__(self) -> int:
        return len(self.entities)

    @property
    def embedding_size(self) -> int:
        """Width of the embeddings."""
        return int(next(iter(self.embeds.values())).shape[1])

    def check_model(self, model: Any) -> None:
        """Refuse a model whose embeddings cannot be compared with these.

        Args:
            model: an `IRLEForRetrievalAndGeo`.

        Raises:
            ValueError: if it has another width or other weights than the one that embedded the gallery.
        """
        size = model.config.embedding_size
        remedy = "load the model it is of, or encode it again, with Gallery.encode(model, rows, processor)."
        if size != self.embedding_size:
            raise ValueError(f"the gallery has embeddings of {self.embedding_size} and the model of {size}: {remedy}")
        if (own := fingerprint(model)) != self.fingerprint:
            raise ValueError(f"the gallery is of another model ({self.fingerprint}, this one is {own}): {remedy}")

    def add_faiss_index(self, string_factory: str | None = None) -> None:
        """Search by a FAISS index from now on, instead of comparing with every entity (extra ``index``).

        Args:
            string_factory: of FAISS's ``index_factory``, such as ``"HNSW32"``; a flat, exact index when omitted.

        Raises:
            ImportError: if FAISS is not installed.
        """
        try:
            import faiss
        except ImportError as error:
            raise ImportError("a FAISS index needs faiss: pip install 'hf-mlm[index]'.") from error
        for name, values in self.embeds.items():
            self.entities.add_faiss_index_from_external_arrays(
                values.numpy(),
                name,
                string_factory=string_factory,
                metric_type=faiss.METRIC_INNER_PRODUCT,
                train_size=None if string_factory is None else len(self),
            )

    def search(self, queries: torch.Tensor, modality: str, top_k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Find the entities whose embeddings of one modality have the largest dot products with the queries.

        Embeddings of unit length make that the cosine. Without an index the search is exact, and takes one block of
        similarities at a time.

        Args:
            queries: float (queries, embedding_size).
            modality: of the entities: ``"image"`` or ``"text"``.
            top_k: how many; all where there are fewer.

        Returns:
            Similarities, float32, and row numbers, int64, both (queries, top_k), the best first and of equal ones that
            with the lower row. An approximate index that finds fewer fills up with row -1.

        Raises:
            ValueError: if the gallery has no such embeddings, or the queries another width.
        """
        if modality not in self.embeds:
            raise ValueError(f"this gallery has no {modality}s, only {', '.join(self.embeds)}s: encode one with both.")
        if queries.dim() != 2 or queries.shape[1] != self.embedding_size:
            raise ValueError(f"queries has shape {tuple(queries.shape)}; it must be (queries, {self.embedding_size}).")
        queries, top_k = queries.detach().float().cpu(), min(top_k, len(self))
        if self.entities.is_index_initialized(modality):
            found = self.entities.search_batch(modality, queries.numpy(), top_k)
            return _in_order(np.asarray(found.total_scores), np.asarray(found.total_indices))
        return _in_order(*_largest(queries, self.embeds[modality], top_k))


def _largest(queries: torch.Tensor, embeds: torch.Tensor, top_k: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest products of each query, found block by block of the embeddings."""
    step = max(top_k, BLOCK_SCORES // max(1, len(queries)))
    scores = queries.new_empty(len(queries), 0)
    rows = torch.empty(len(queries), 0, dtype=torch.long)
    for start in range(0, len(embeds), step):
        products = queries @ embeds[start : start + step].T  # (queries, block)
        best = products.topk(min(top_k, products.shape[1]))
        scores, rows = torch.cat([scores, best.values], 1), torch.cat([rows, best.indices + start], 1)
        kept = scores.topk(min(top_k, scores.shape[1]))
        scores, rows = kept.values, rows.gather(1, kept.indices)
    return scores.numpy(), rows.numpy()


def _in_order(scores: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((rows, -scores), axis=1)
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
