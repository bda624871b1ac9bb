"""Raw rows as a Trainer reads them: images stay as they lie in the file until one is shown."""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset


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
