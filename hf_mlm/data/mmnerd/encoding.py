"""Encode the sentences of a dataset as sub-tokens, once for all epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset, concatenate_datasets

from hf_mlm.data.words import LARGEST_SAMPLE


def encode_dataset(dataset: Dataset, processor: Any, num_proc: int | None = None) -> Dataset:
    """Replace words and tags by sub-tokens and labels.

    The columns ``tokens`` and, where there is one, ``ner_tags`` give way to ``input_ids``, ``word_ids`` and
    ``labels``; the others stay, images untouched. A sentence that is longer than the processor's ``max_length``
    becomes several rows, of which each labels words of its own.

    Args:
        dataset: rows with ``tokens``.
        processor: a `TaggerProcessor` or a `TwoMNERProcessor`.
        num_proc: processes to share the work.

    Returns:
        A dataset for `DataCollatorForMultimodalTokenClassification`, which ``datasets`` keeps in its cache.
    """
    given = [name for name in ("tokens", "ner_tags") if name in dataset.column_names]
    if "ner_tags" in given:
        processor.observe(dataset["tokens"][:LARGEST_SAMPLE])
    encoded = dataset.select_columns(given).map(
        _encode,
        batched=True,
        with_indices=True,
        remove_columns=given,
        fn_kwargs={"processor": processor},
        num_proc=num_proc,
        desc="Encoding words",
    )
    others = dataset.remove_columns(given)
    if len(encoded) != len(dataset):
        others = others.select(encoded["row"])
    encoded = encoded.remove_columns("row")
    return concatenate_datasets([others, encoded], axis=1) if others.column_names else encoded


def _encode(batch: Mapping[str, Sequence[Any]], indices: Sequence[int], processor: Any) -> dict[str, list[Any]]:
    windows = processor.windows(batch["tokens"])
    rows = processor.rows(windows, batch.get("ner_tags"))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {"row": [indices[window.sentence] for window in windows], **columns}
