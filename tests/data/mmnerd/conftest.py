"""Sentences spelled out in short."""

from collections.abc import Callable

import pytest

from hf_mlm.data.mmnerd.conll import Sentence
from hf_mlm.data.mmnerd.statistics import Row


@pytest.fixture
def row() -> Callable[..., Row]:
    """``row("New/B-LOC York/I-LOC .", language="en", split="train", image_id=None)``; a bare word is O."""

    def make(text: str, language: str = "en", split: str = "train", image_id: str | None = None, line: int = 1) -> Row:
        words = [word.rpartition("/") if "/" in word else (word, "", "O") for word in text.split(" ") if word]
        sentence = Sentence([token for token, _, _ in words], [tag for _, _, tag in words], image_id, line)
        return Row(sentence, language, split, "f.txt")

    return make
