"""Sentences and where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hf_mlm.data.formats.conll import Sentence, read_conll
from hf_mlm.data.formats.conll_shard import source_of


@dataclass(frozen=True, slots=True)
class Row:
    """A sentence as its file spells it, valid or not.

    Attributes:
        sentence: tokens, labels, image id and line.
        language: of the sentence.
        split: of the sentence.
        file: that holds it.
    """

    sentence: Sentence
    language: str
    split: str
    file: str = ""

    @property
    def source(self) -> str:
        """``"cc12m"``, ``"twitter"``, or ``""``."""
        return source_of(self.sentence.image_id) or ""

    @property
    def where(self) -> str:
        """File and line of the first word."""
        return f"{self.file}:{self.sentence.line}"

    @property
    def text(self) -> str:
        """The tokens, joined by spaces."""
        return " ".join(self.sentence.tokens)


def read_rows(files: Iterable[tuple[str, str, str]]) -> list[Row]:
    """Read files of (language, split, path).

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: naming file and line, if one cannot be divided into sentences.
    """
    return [Row(sentence, language, split, path) for language, split, path in files for sentence in read_conll(path)]
