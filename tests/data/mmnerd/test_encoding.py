from __future__ import annotations

from pathlib import Path

import torch

from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.data.mmnerd.encoding import encode_dataset
from hf_mlm.models.base.processing import TaggerProcessor
from tests.data.mmnerd.test_collator import dataset
from tests.models.two_mner.tiny import processor, wordpiece


def test_rows_encoded_once_make_the_same_batch(tmp_path: Path) -> None:
    rows, collate = dataset(), DataCollatorForMultimodalTokenClassification(processor(tmp_path))
    encoded = encode_dataset(rows, collate.processor)
    assert sorted(encoded.column_names) == ["image", "image_id", "input_ids", "labels", "word_ids"]
    ours, theirs = collate(list(encoded)), collate(list(rows))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    arrays = collate(list(encoded.with_format("numpy", columns=["input_ids", "word_ids", "labels"])))
    assert all(torch.equal(arrays[name], theirs[name]) for name in arrays)


def test_windows_keep_the_columns_of_their_sentence(tmp_path: Path) -> None:
    encoded = encode_dataset(dataset(), TaggerProcessor(wordpiece(tmp_path), max_length=16))
    ids = encoded["image_id"][:]
    assert len(encoded) > 4 and ids == ["a"] + ["b"] * (len(encoded) - 3) + [None, "a"]
    assert encoded[0]["image"].size == (50, 40)


def test_words_alone_will_do_and_are_found_in_the_cache(tmp_path: Path) -> None:
    words = dataset().select_columns(["tokens"])
    processor = TaggerProcessor(wordpiece(tmp_path), max_length=40)
    first = encode_dataset(words, processor)
    assert first.column_names == ["input_ids", "word_ids"] and len(first) == 4
    assert first._fingerprint == encode_dataset(words, processor)._fingerprint
