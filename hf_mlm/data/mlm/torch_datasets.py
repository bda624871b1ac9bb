"""The rows of a split as a Trainer reads them: `FeatureTable` for features, `RawRows` for images and texts.

`datasets` keeps feature rows as Arrow lists of fixed-size lists, memory-mapped. `FeatureTable` reads them where they
lie: the flattened values of a column are one matrix per Arrow chunk, zero-copy, and a batch copies only its own rows.
With ``device=`` the matrices are moved to the accelerator once and batches never cross the bus again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import Dataset

from hf_mlm.data.mlm.collator import UNKNOWN_CELL, targets_of
from hf_mlm.data.mlm.rows import VECTOR_FIELDS
from hf_mlm.data.mlm.views import ViewRule, choose_views, entity_keys


class FeatureTable(torch.utils.data.Dataset):
    """The feature rows of a split, as ready batches, for a `DataLoader` with a collator that passes these through.

    A batch holds ``image_features``, ``summary_features`` and ``class_features``, float32 (batch, width) each, and the
    targets ``image_cells`` and ``text_cells``, int64 (batch,), -1 where the cell is unknown. Classes are left out
    where no row has any; an entity without a class among others gets zeros, and so does one without an image or a
    summary, with the targets that `DataCollatorForRetrievalAndGeo` gives such rows. float16 columns are widened in
    the batch only.

    Args:
        dataset: feature rows, as `load_dataset("mlm", "irle", data_dir=…)` gives them; selections are followed.
        views: ``"first"`` to evaluate, ``"random"`` to train; see `hf_mlm.data.mlm.views.choose_views`.
        device: where the features are kept and the batches are made, such as ``"cuda"``; in the Arrow file if omitted.
        seed: start of the random views.

    Raises:
        ValueError: if the dataset has no feature columns, or a column is no list of fixed-size lists.

    Example:
        >>> from datasets import Dataset, Features, List, Value
        >>> vectors = List(List(Value("float32"), length=2))
        >>> rows = Dataset.from_dict(
        ...     {"entity_id": ["Q90"], "image_features": [[[1, 2]]], "summary_features": [[[3, 4]]], "geo_cell": [7]},
        ...     Features(entity_id=Value("string"), image_features=vectors, summary_features=vectors,
        ...              geo_cell=Value("int64")),
        ... )
        >>> FeatureTable(rows).__getitems__([0])["image_features"]
        tensor([[1., 2.]])
    """

    def __init__(
        self,
        dataset: Dataset,
        views: ViewRule = "first",
        device: str | torch.device | None = None,
        seed: int = 0,
    ):
        missing = [name for name in ("entity_id", *VECTOR_FIELDS[:2]) if name not in dataset.column_names]
        if missing:
            raise ValueError(
                f"a FeatureTable needs feature rows and this dataset has no column {missing[0]!r}, only "
                f"{', '.join(dataset.column_names)}; raw rows go to the Trainer as they are, with a collator that "
                "has a processor."
            )
        self.views, self.seed, self.device = views, seed, device
        rows = _selected_rows(dataset)
        self.keys = entity_keys(dataset["entity_id"][:])
        self.cells = _cells(dataset, rows)  # (rows,)
        self.columns = {
            name: VectorLists(name, dataset.data.column(name), rows, device)
            for name in VECTOR_FIELDS
            if name in dataset.column_names
        }

    def __len__(self) -> int:
        return len(self.keys)

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """Make the batch of some rows; a `DataLoader` calls this once a batch.

        Args:
            indices: row numbers.
        """
        rows = np.asarray(indices, dtype=np.int64)
        none = np.zeros(len(self), dtype=np.int64)
        counts = [self.columns[name].counts if name in self.columns else none for name in VECTOR_FIELDS]
        positions = choose_views(self.keys[rows], np.stack([count[rows] for count in counts]), self.views, self.seed)
        batch = {
            name: self.columns[name].gather(rows, position)
            for name, position in zip(VECTOR_FIELDS, positions, strict=True)
            if name in self.columns and self.columns[name].width
        }
        shown = (self.columns[name].counts[rows] > 0 for name in VECTOR_FIELDS[:2])  # (batch,) each
        targets = targets_of(self.cells[rows], *shown)
        return {**batch, **{name: values.to(self.device or "cpu") for name, values in targets.items()}}

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {name: values[0] for name, values in self.__getitems__([index]).items()}


class VectorLists:
    """A column of lists of vectors: where each row's vectors start, how many there are, and their gather.

    Args:
        name: of the column, for error messages.
        column: Arrow list of fixed-size lists.
        rows: rows of the column that count, in order; all when None.
        device: where the values are kept; in the Arrow buffers when None.
    """

    def __init__(self, name: str, column: pa.ChunkedArray, rows: np.ndarray | None, device: Any = None):
        kind = column.type
        lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        if not (lists and pa.types.is_fixed_size_list(kind.value_type)):
            raise ValueError(
                f"column {name!r} holds {kind}, and a FeatureTable gathers lists of fixed-size lists: cast it to "
                'List(List(Value("float32"), length=WIDTH)).'
            )
        counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
        starts = np.cumsum(counts) - counts
        self.counts = counts if rows is None else counts[rows]  # (rows,)
        self.starts = starts if rows is None else starts[rows]  # (rows,)
        self.width = kind.value_type.list_size if counts.any() else 0
        self.chunks = [_matrix(chunk, self.width) for chunk in column.chunks if self.width]  # (vectors, width) each
        self.chunk_starts = np.cumsum([0, *(len(chunk) for chunk in self.chunks)])[:-1]
        self.values = None if device is None else _on_device(self.chunks, device)  # (vectors, width)

    def gather(self, rows: np.ndarray, positions: np.ndarray) -> torch.Tensor:
        """Take one vector of each row, zeros where a row has none.

        Args:
            rows: int64 (batch,).
            positions: of the vector within its row, int64 (batch,).

        Returns:
            float32 (batch, width), on the table's device.
        """
        present = self.counts[rows] > 0  # (batch,)
        vectors = np.where(present, self.starts[rows] + positions, 0)
        if self.values is not None:
            batch = self.values[torch.from_numpy(vectors).to(self.values.device)].float()
        else:
            batch = torch.from_numpy(self._gather_chunks(vectors)).float()
        if not present.all():
            batch[torch.from_numpy(~present).to(batch.device)] = 0
        return batch

    def _gather_chunks(self, vectors: np.ndarray) -> np.ndarray:
        batch = np.empty((len(vectors), self.width), dtype=self.chunks[0].dtype)
        chunk_of = np.searchsorted(self.chunk_starts, vectors, side="right") - 1  # (batch,)
        for index in np.unique(chunk_of):
            here = np.flatnonzero(chunk_of == index)
            batch[here] = self.chunks[index][vectors[here] - self.chunk_starts[index]]
        return batch


def _matrix(chunk: pa.Array, width: int) -> np.ndarray:
    return chunk.flatten().flatten().to_numpy(zero_copy_only=True).reshape(-1, width)


def _on_device(chunks: list[np.ndarray], device: Any) -> torch.Tensor | None:
    if not chunks:
        return None
    size = sum(map(len, chunks)), chunks[0].shape[1]
    values = torch.empty(size, dtype=torch.from_numpy(chunks[0][:0].copy()).dtype, device=device)
    start = 0
    for chunk in chunks:
        values[start : start + len(chunk)] = torch.from_numpy(np.array(chunk))
        start += len(chunk)
    return values


def _selected_rows(dataset: Dataset) -> np.ndarray | None:
    """Give the rows of the Arrow table that `select`, `shuffle` and `filter` left, in order."""
    indices = dataset._indices
    return None if indices is None else indices.column(0).to_numpy().astype(np.int64)


def _cells(dataset: Dataset, rows: np.ndarray | None) -> np.ndarray:
    if "geo_cell" not in dataset.column_names:
        return np.full(len(dataset), UNKNOWN_CELL, dtype=np.int64)
    cells = pc.fill_null(dataset.data.column("geo_cell").cast(pa.int64()), UNKNOWN_CELL).to_numpy()
    return np.array(cells if rows is None else cells[rows], dtype=np.int64)


READ_COLUMNS = ("entity_id", "images", "summaries", "classes", "geo_cell")


class RawRows(torch.utils.data.Dataset):
    """The raw rows of a split, with the columns that a collator reads.

    `datasets` decodes every image of a row whenever the row is read. Here images are ``{"bytes", "path"}``, so that
    only those that are shown are decoded, by the processor, which names a broken one.

    Args:
        dataset: raw rows; selections are followed.

    Example:
        >>> rows = Dataset.from_dict({"entity_id": ["Q90"], "label": ["Paris"], "geo_cell": [7]})
        >>> RawRows(rows)[0]
        {'entity_id': 'Q90', 'geo_cell': 7}
    """

    def __init__(self, dataset: Dataset):
        columns = [name for name in READ_COLUMNS if name in dataset.column_names]
        self.rows = dataset.select_columns(columns).with_format("arrow")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        """Read some rows; a `DataLoader` calls this once a batch."""
        return self.rows[indices].to_pylist()

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]
