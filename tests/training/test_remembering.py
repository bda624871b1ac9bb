from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, load_dataset

from hf_mlm.data.collators import DataCollatorForRetrievalAndGeo
from hf_mlm.data.crops import RandomCrops
from hf_mlm.data.raw_rows import RawRows
from hf_mlm.training.remembering import RememberingProcessor
from tests.models.irle import tiny


@pytest.fixture
def raw(raw_folder: Path) -> Dataset:
    return load_dataset("mlm", "irle", data_dir=str(raw_folder), max_entities=30, min_entities=1, split="train")


class Counting:
    """A processor that counts the images it prepares."""

    def __init__(self, processor: Any):
        self.processor, self.prepared = processor, 0
        self.tokenizer, self.max_length = processor.tokenizer, processor.max_length

    def __call__(self, images: list[Any]) -> Any:
        self.prepared += len(images)
        return self.processor(images=images)


def batches(rows: Any, collator: Any) -> list[dict[str, torch.Tensor]]:
    """Two shuffled epochs, the last batch smaller."""
    loaded = []
    for epoch in range(2):
        generator = torch.Generator().manual_seed(epoch)
        loaded += torch.utils.data.DataLoader(rows, 7, shuffle=True, generator=generator, collate_fn=collator)
    return loaded


@pytest.mark.parametrize("memory", [10**9, 5 * 3 * 32 * 32 * 4, 0], ids=["all", "five images", "none"])
def test_batches_are_those_of_the_processor_itself(raw: Dataset, tmp_path: Path, memory: int) -> None:
    processor = tiny.processor(tmp_path)
    counting = Counting(processor)
    remembering = RememberingProcessor(counting, memory)
    kinds = [(raw, processor), (RawRows(raw), remembering)]
    expected, found = (
        batches(rows, RandomCrops(DataCollatorForRetrievalAndGeo(each, views="random"), size=24))
        for rows, each in kinds
    )
    assert len(found) == len(expected) > 2
    for ours, theirs in zip(found, expected, strict=True):
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[name], values) for name, values in theirs.items())
    kept = min(memory // (3 * 32 * 32 * 4), len(remembering.images))
    assert len(remembering.images) == kept
    assert counting.prepared == 2 * len(raw) - (len(raw) if memory == 10**9 else kept)


def test_batches_are_not_changed_by_who_changes_them(raw: Dataset, tmp_path: Path) -> None:
    collator = DataCollatorForRetrievalAndGeo(RememberingProcessor(tiny.processor(tmp_path)))
    rows = RawRows(raw).__getitems__([0, 1, 2])
    first = collator(rows)
    kept = {name: values.clone() for name, values in first.items()}
    for values in first.values():
        values.zero_()
    assert all(torch.equal(values, kept[name]) for name, values in collator(rows).items())


def test_equal_texts_and_images_in_a_batch_are_all_there(raw: Dataset, tmp_path: Path) -> None:
    row = RawRows(raw)[0]
    batch = DataCollatorForRetrievalAndGeo(RememberingProcessor(tiny.processor(tmp_path)))([row, row])
    assert all(len(values) == 2 and torch.equal(values[0], values[1]) for values in batch.values())
