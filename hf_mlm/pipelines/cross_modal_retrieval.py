"""The pipeline ``cross-modal-retrieval``: the texts that go with an image, and the images that go with a text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from huggingface_hub import snapshot_download

from hf_mlm.pipelines.base import OnError, settings_before
from hf_mlm.pipelines.image_text import ImageTextPipeline, Query
from hf_mlm.runs.gallery import FOLDER, Gallery


OTHER = {"image": "text", "text": "image"}


class CrossModalRetrievalPipeline(ImageTextPipeline):
    """Find the entities of a `Gallery` whose texts go with an image, or whose images go with a text.

    ``pipe(inputs, batch_size=8, top_k=10)`` takes an image or a text, or a list or generator of them; see
    `ImageTextPipeline` for their forms. Settings of each call: ``top_k``, ``timeout`` in seconds for images at an
    address, and ``on_error``: ``"raise"``, or ``"skip"`` to answer what cannot be read by ``{"error": sentence}``.

    Returns, for each query, a list of the best entities, the best first, each a dict of
        ``score`` (dot product of the embeddings, the cosine where they have unit length), ``row`` (of the dataset that
        the gallery was made of), ``modality`` (that was compared: ``"text"`` for an image), and the entity's plain
        columns, such as ``entity_id`` and ``label``.

    Args:
        *args: as for any pipeline.
        gallery: a `Gallery`, the folder of one, or a dataset to encode now; when omitted, the one that was saved or
            pushed in the folder ``gallery`` of the model.
        **kwargs: as for any pipeline.

    Raises:
        ValueError: if ``gallery`` is none of these, or another model's.
        FileNotFoundError: if there is no gallery in the folder.
    """

    task_needed = "retrieval"

    def __init__(self, *args: Any, gallery: Gallery | Dataset | str | os.PathLike[str] | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if isinstance(gallery, Dataset):
            gallery = Gallery.encode(self.model, gallery, self.processor)
        elif gallery is None or isinstance(gallery, (str, os.PathLike)):
            gallery = Gallery.load(self._own_folder() if gallery is None else gallery)
        elif not isinstance(gallery, Gallery):
            raise ValueError(
                f"gallery is a {type(gallery).__name__}; pass a Gallery, the folder of one, or one split of a "
                'dataset, such as load_dataset(…)["test"].'
            )
        gallery.check_model(self.model)
        self.gallery: Gallery = gallery

    def _sanitize_parameters(
        self, top_k: int | None = None, timeout: float | None = None, on_error: OnError | None = None, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        self._refuse_unknown(kwargs)
        self._refuse_top_k(top_k)
        return settings_before(timeout, on_error), {}, {} if top_k is None else {"top_k": top_k}

    def preprocess(self, inputs: Any, timeout: float | None = None) -> Query:
        """Read a query's image or text; raises as `ImageTextPipeline.preprocess`, and of a query with both."""
        query = super().preprocess(inputs, timeout)
        if len(query.modalities) > 1:
            raise ValueError(
                f"{self.task} compares an image with texts or a text with images, and this query has both: ask twice."
            )
        return query

    def postprocess(
        self, model_outputs: tuple[Sequence[Query], dict[str, Any]], top_k: int = 10
    ) -> list[list[dict[str, Any]]]:
        """Search the gallery for all queries of a batch."""
        batch, outputs = model_outputs
        answers = {
            name: iter(self._entities(output["embeds"], OTHER[name], top_k)) for name, output in outputs.items()
        }
        return [next(answers[query.modalities[0]]) for query in batch]

    def _entities(self, embeds: Any, modality: str, top_k: int) -> list[list[dict[str, Any]]]:
        """The best entities for each row of embeddings."""
        scores, rows = self.gallery.search(embeds, modality, top_k)  # (queries, top_k) each
        columns = self.gallery.entities[rows.clip(min=0).reshape(-1).tolist()]
        entities = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        found = [
            {**entity, "score": score, "row": row, "modality": modality}
            for entity, score, row in zip(
                entities, scores.reshape(-1).tolist(), rows.reshape(-1).tolist(), strict=True
            )
        ]
        width = rows.shape[1]
        return [
            [entity for entity in found[start : start + width] if entity["row"] >= 0]
            for start in range(0, len(found), width)
        ]

    def _own_folder(self) -> Path:
        """The gallery that was saved with the model, downloaded if the model is on the Hub."""
        name = self.model.name_or_path
        if not name:
            raise ValueError(f"{self.task} needs a gallery: pass gallery=, a Gallery, its folder or a dataset.")
        if os.path.isdir(name):
            return Path(name) / FOLDER
        commit = getattr(self.model.config, "_commit_hash", None)
        patterns = f"{FOLDER}/*"
        return Path(snapshot_download(name, revision=commit, allow_patterns=patterns)) / FOLDER
