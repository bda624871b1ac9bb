"""Word-level taggers in miniature: sentences, settings and batches that other tests build on."""

from __future__ import annotations

from typing import Any

import torch

from hf_mlm.models.word_level.processing import WordLevelProcessor


SENTENCES = [["The", "Rhine", "meets", "Basel"], ["Obama", "saw", "the", "river"], ["Paris", "rocks", "!"]]
TAGS = [[0, 3, 0, 3], [1, 0, 0, 0], [3, 0, 0]]
SIZES = {"vocab_size": 20, "word_embedding_size": 6, "hidden_size": 8, "input_dropout": 0.0}
CHARACTER_SIZES = {**SIZES, "num_characters": 12, "character_embedding_size": 4, "character_size": 6}


def processor(**settings: Any) -> WordLevelProcessor:
    """Knows the words and characters of `SENTENCES`."""
    return WordLevelProcessor.from_sentences(SENTENCES, **settings)


def batch(rows: int = 4, seed: int = 0, characters: bool = True) -> dict[str, torch.Tensor]:
    """Sentences of five words of up to four characters, the last row of two words and padded."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.ones(rows, 5, dtype=torch.int64)
    mask[-1, 2:] = 0
    inside = mask.bool()
    lengths = torch.randint(1, 5, (rows, 5, 1), generator=generator)
    spelt = torch.randint(2, 12, (rows, 5, 4), generator=generator)
    inputs = {
        "input_ids": torch.randint(2, 20, (rows, 5), generator=generator).where(inside, 0),
        "attention_mask": mask,
        "word_ids": torch.arange(5).expand(rows, 5).where(inside, -1),
        "labels": torch.randint(0, 9, (rows, 5), generator=generator).where(inside, -100),
    }
    if characters:
        inputs["character_ids"] = spelt.where((torch.arange(4) < lengths) & inside.unsqueeze(-1), 0)
    return inputs
