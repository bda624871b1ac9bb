from __future__ import annotations

import torch

from hf_mlm.models.sentence_processor import SentenceProcessor
from hf_mlm.models.tagger_processor import TaggerProcessor
from hf_mlm.models.word_level.processing import WordLevelProcessor
from tests.models.letter_counter import LetterCounter


def test_strings_are_split_and_rows_are_padded() -> None:
    batch = LetterCounter()(["to be, or", ["not", "to", "be"]], labels=[[1, 2, 3, 4], [5, 6, 7]])
    assert batch["input_ids"].tolist() == [[2, 2], [1, 2], [3, 2], [2, 0]]
    assert batch["labels"].tolist() == [[1, 2], [3, 4], [5, 6], [7, 0]]
    assert isinstance(batch["input_ids"], torch.Tensor) and set(batch) == {"input_ids", "labels"}
    assert LetterCounter()("one string", return_tensors="np")["input_ids"].tolist() == [[3, 6]]


def test_all_processors_are_called_alike() -> None:
    assert TaggerProcessor.__call__ is WordLevelProcessor.__call__ is SentenceProcessor.__call__
