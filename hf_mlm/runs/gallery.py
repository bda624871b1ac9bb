"""Galleries: embeddings of entities that queries are compared with, and their files.

On disk embeddings lie in safetensors, entities in Parquet, and FAISS indexes beside them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import Dataset, Value
from datasets.fingerprint import Hasher
from huggingface_hub.utils import tqdm
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo
from hf_mlm.data.mlm.rows import VECTOR_FIELDS
from hf_mlm.data.mlm.torch_datasets import FeatureTable
from hf_mlm.files import check_file, checksum_of, full_disk_in_words, locked, scratch_folder, sha256_of


FOLDER = "gallery"  # below a model's own
EMBEDS, ENTITIES = "embeddings.safetensors", "entities.parquet"
FORMAT = "hf_mlm gallery, version 1"
BLOCK_SCORES = 2**22  # similarities that are kept at a time while searching


@dataclass(frozen=True, eq=False)
class Gallery:
    """Embeddings of entities and what is known of them.

    Args:
        embeds: for ``"image"`` and ``"text"``, or one of them, float32 or float16 (entities, embedding_size).
        entities: a dataset with one row each: ids, labels, places.
        fingerprint: of the model that embedded them; see `fingerprint`.

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

    @classmethod
    def beside(cls, model: Any) -> Gallery | None:
        """Open the gallery that was saved with a model, None where there is none in the model's own folder.

        Args:
            model: an `IRLEForRetrievalAndGeo` that was opened from a folder.

        Raises:
            ValueError: if the gallery is damaged, or of another model.
        """
        folder = Path(model.name_or_path or os.devnull) / FOLDER
        if not (folder / EMBEDS).is_file() or "retrieval" not in model.config.tasks:
            return None
        gallery = cls.load(folder)
        gallery.check_model(model)
        return gallery

    def halved(self) -> Gallery:
        """Keep the embeddings in float16, which takes half the room and moves a cosine by less than 0.001."""
        return replace(self, embeds={name: values.half() for name, values in self.embeds.items()})

    @cached_property
    def positions(self) -> np.ndarray:
        """Degrees of latitude and longitude, float64 (entities, 2), NaN where the entities do not tell."""
        if not set(POSITION) <= set(self.entities.column_names):
            return np.full((len(self), 2), np.nan)
        return np.array([self.entities[name][:] for name in POSITION], dtype=np.float64).T

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
                values.float().numpy(),
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
        products = queries @ embeds[start : start + step].float().T  # (queries, block)
        best = products.topk(min(top_k, products.shape[1]))
        scores, rows = torch.cat([scores, best.values], 1), torch.cat([rows, best.indices + start], 1)
        kept = scores.topk(min(top_k, scores.shape[1]))
        scores, rows = kept.values, rows.gather(1, kept.indices)
    return scores.numpy(), rows.numpy()


def _in_order(scores: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((rows, -scores), axis=1)
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)


COLUMNS = {"image": ("images", "image_features"), "text": ("summaries", "summary_features")}  # raw rows, feature rows
POSITION = ("latitude", "longitude")
IMAGE_INPUTS = ("image_features", "pixel_values")
TARGETS = ("image_cells", "text_cells")


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
    if set(VECTOR_FIELDS) & set(rows.column_names):
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


def write_gallery(folder: Path, embeds: Mapping[str, torch.Tensor], entities: Dataset, fingerprint: str) -> None:
    """Write a gallery; its files appear under their names when all of them are complete.

    The header of the embeddings holds the checksums of them, of the entities and of the indexes.

    Args:
        folder: is made where it does not exist.
        embeds: by modality.
        entities: with the FAISS indexes that it may have.
        fingerprint: of the model.

    Raises:
        BlockingIOError: if another process writes there.
        OSError: if the folder cannot be written to, or the disk is full.
    """
    with (
        locked(folder, "save the gallery"),
        full_disk_in_words(folder, "and save the gallery again"),
        scratch_folder(folder, FOLDER) as unfinished,
    ):
        for index in entities.list_indexes():
            entities.save_faiss_index(index, unfinished / f"{index}.faiss")
        entities.to_parquet(unfinished / ENTITIES)
        whole = {kind: values.contiguous() for kind, values in embeds.items()}
        header = {
            "format": FORMAT,
            "fingerprint": fingerprint,
            "entities": sha256_of(unfinished / ENTITIES),
            "embeds": json.dumps({kind: _checksum(values) for kind, values in whole.items()}),
            "indexes": json.dumps({file.name: checksum_of(file) for file in unfinished.glob("*.faiss")}),
        }
        save_file(whole, unfinished / EMBEDS, header)
        for old in folder.glob("*.faiss"):
            old.unlink()
        for file in sorted(unfinished.iterdir()):
            os.replace(file, folder / file.name)


def read_gallery(folder: Path) -> tuple[dict[str, torch.Tensor], Dataset, str]:
    """Read embeddings, mapped into memory, entities and fingerprint.

    Args:
        folder: of the gallery.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a bit of a file is another than was written, or the files do not belong together.
    """
    for name in (EMBEDS, ENTITIES):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"there is no gallery in {folder} (no {name}): make one with Gallery.encode(model, rows, processor)"
                ".save(folder)."
            )
    try:
        with safe_open(folder / EMBEDS, "pt") as file:
            header = file.metadata() or {}
            embeds = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        checksums, indexes = (json.loads(header.get(part, "{}")) for part in ("embeds", "indexes"))
        if checksums and checksums != {kind: _checksum(values) for kind, values in embeds.items()}:
            raise ValueError(f"{EMBEDS} has another checksum than was noted")
        if header.get("format") != FORMAT or header.get("entities") != sha256_of(folder / ENTITIES):
            raise ValueError(f"{EMBEDS} and {ENTITIES} do not belong together")
        entities = Dataset(pq.read_table(folder / ENTITIES))
        for file in folder.glob("*.faiss"):
            check_file(file, indexes.get(file.name), "encode the gallery again")
            entities.load_faiss_index(file.stem, file)
        return embeds, entities, header["fingerprint"]
    except (SafetensorError, pa.ArrowException, RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"the gallery in {folder} is damaged ({reason}): encode it again.") from error


def _checksum(values: torch.Tensor) -> str:
    return Hasher.hash_bytes([values.reshape(-1).view(torch.uint8).numpy()])


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
