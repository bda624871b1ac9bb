"""Sentences made ready for a word-level tagger: one position a word, and its characters beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mlm.models.base.processing import ImageSentenceProcessor, SentenceProcessor
from hf_mlm.models.layers.crf import IGNORED
from hf_mlm.models.layers.pooling import NO_WORD
from hf_mlm.models.word_level.vocabulary import PADDING, WordVocabulary


if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class WordRow:
    """A sentence as a word-level tagger reads it: what `Window` is for sub-tokens, and never more than one a sentence.

    Args:
        sentence: which sentence it is.
        input_ids: one for each word.
        character_ids: of each word; None for models that read whole words.
    """

    sentence: int
    input_ids: list[int]
    character_ids: list[list[int]] | None = None

    @property
    def word_ids(self) -> list[int]:
        """The word at each position, which is its number."""
        return self.starts()

    def starts(self) -> list[int]:
        """Positions of the words: all of them."""
        return list(range(len(self.input_ids)))


class WordLevelProcessor(SentenceProcessor):
    """Looks words up in a vocabulary and spells them. No word gets lost, and no sentence is too long.

    It does what `TaggerProcessor` does, so that collator, `encode_dataset`, Trainer and pipelines work as with other
    taggers; the axis of the labels is that of the words.

    Args:
        vocabulary: words and characters, as a `WordVocabulary` or as its ``to_dict``.
        max_characters: of a word; those that follow are left out.

    Example:
        >>> processor = WordLevelProcessor.from_sentences([["Paris", "rocks"]])
        >>> batch = processor(text=[["Paris", "rolls"]], labels=[[3, 0]])
        >>> batch["input_ids"].tolist(), batch["character_ids"].shape, batch["labels"].tolist()
        ([[2, 1]], torch.Size([1, 2, 5]), [[3, 0]])
    """

    # A Trainer asks every processor's tokenizer for these.
    tokenizer = SimpleNamespace(bos_token_id=None, eos_token_id=None, pad_token_id=None)

    def __init__(self, vocabulary: WordVocabulary | Mapping[str, Any], max_characters: int = 64, **kwargs: Any):
        super().__init__(**kwargs)
        self.vocabulary = vocabulary if isinstance(vocabulary, WordVocabulary) else WordVocabulary(**vocabulary)
        if max_characters < 1:
            raise ValueError(f"max_characters={max_characters} must be at least 1.")
        self.max_characters = max_characters

    @classmethod
    def from_sentences(
        cls,
        sentences: Iterable[Sequence[str]],
        min_count: int = 1,
        also: Collection[str] = (),
        characters: bool = True,
        zero_digits: bool = False,
        **settings: Any,
    ) -> Self:
        """Make a processor that knows the words of the training split.

        Args:
            sentences: words of each sentence.
            min_count: how often a word has to occur.
            also: words that are known however seldom they occur.
            characters: whether the model reads characters.
            zero_digits: whether every digit is read as a 0.
            **settings: of the class.

        Raises:
            ValueError: if there are no words, or a sentence is a string.
        """
        vocabulary = WordVocabulary.from_sentences(sentences, min_count, also, characters, zero_digits)
        return cls(vocabulary=vocabulary, **settings)

    def windows(self, sentences: Sequence[Sequence[str]]) -> list[WordRow]:
        """Look up the words of sentences.

        Args:
            sentences: words of each sentence.

        Returns:
            One row for each sentence.

        Raises:
            ValueError: if a sentence is a string.
        """
        return [self._row(number, words) for number, words in enumerate(sentences)]

    def rows(self, windows: Sequence[WordRow], labels: Sequence[Sequence[int]] | None = None) -> list[dict[str, Any]]:
        """Make a row such as a dataset of encoded sentences keeps.

        Args:
            windows: what `windows` returned.
            labels: a label for each word of each sentence.

        Returns:
            ``input_ids`` and ``word_ids`` (words,), ``character_ids`` (words, characters of each), and ``labels``
            (words,) if given.

        Raises:
            ValueError: if a sentence has more or fewer labels than words.
        """
        rows: list[dict[str, Any]] = [{"input_ids": row.input_ids, "word_ids": row.word_ids} for row in windows]
        for row, window in zip(rows, windows, strict=True):
            if window.character_ids is not None:
                row["character_ids"] = window.character_ids
        if labels is None:
            return rows
        _check_labels(windows, labels)
        return [{**row, "labels": list(tags)} for row, tags in zip(rows, labels, strict=True)]

    def pad(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """Bring rows to the length of the longest, and words to that of the longest among them.

        Args:
            rows: what `rows` returned.

        Returns:
            the same, int64 (rows, words) and (rows, words, characters), and ``attention_mask`` (rows, words).
        """
        fillers = {"input_ids": PADDING, "word_ids": NO_WORD, "labels": IGNORED}
        inside = _inside([len(row["input_ids"]) for row in rows])  # (rows, words)
        batch = {"attention_mask": inside.astype(np.int64)}
        for name in [name for name in fillers if name in rows[0]]:
            batch[name] = np.full(inside.shape, fillers[name])
            batch[name][inside] = list(chain.from_iterable(row[name] for row in rows))
        if "character_ids" in rows[0]:
            batch["character_ids"] = _pad_characters([row["character_ids"] for row in rows], inside)
        return batch

    def _row(self, sentence: int, words: Sequence[str]) -> WordRow:
        if isinstance(words, str):
            raise ValueError(f"sentence {sentence} is the string {words[:40]!r}; pass the list of its words.")
        known = self.vocabulary
        spelt = known.character_ids(words, self.max_characters) if known.characters else None
        return WordRow(sentence, known.word_ids(words), spelt)

    def to_dict(self) -> dict[str, Any]:
        """What is saved: the settings and the vocabulary."""
        return {**super().to_dict(), "vocabulary": self.vocabulary.to_dict()}

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's arguments that the processor makes."""
        characters = ["character_ids"] if self.vocabulary.characters else []
        return ["input_ids", "attention_mask", "word_ids", *characters]


def _inside(lengths: Sequence[int]) -> np.ndarray:
    """Where rows of such lengths are: bool (rows, longest), with a column at least."""
    counts = np.array(lengths, dtype=np.int64)
    return np.arange(max(counts.max(initial=0), 1)) < counts[:, None]


def _pad_characters(sentences: Sequence[Sequence[Sequence[int]]], inside: np.ndarray) -> np.ndarray:
    """Put the characters of each word at its place: int64 (rows, words, characters)."""
    words = list(chain.from_iterable(sentences))
    spelt = _inside([len(word) for word in words])  # (all words, characters)
    flat = np.full(spelt.shape, PADDING)
    flat[spelt] = list(chain.from_iterable(words))
    padded = np.full((*inside.shape, spelt.shape[1]), PADDING)
    padded[inside] = flat
    return padded


def _check_labels(windows: Sequence[WordRow], labels: Sequence[Sequence[int]]) -> None:
    if len(labels) != len(windows):
        raise ValueError(f"there are labels for {len(labels)} sentences, and {len(windows)} sentences.")
    for row, tags in zip(windows, labels, strict=True):
        if len(tags) != len(row.input_ids):
            raise ValueError(f"sentence {row.sentence} has {len(row.input_ids)} words and {len(tags)} labels.")


class AdaCANProcessor(ImageSentenceProcessor, WordLevelProcessor):
    """Looks words up and spells them as `WordLevelProcessor` does, and prepares the images beside them, each once.

    The text-only form needs a `WordLevelProcessor` alone.

    Args:
        image_processor: one of transformers' image processors, of which the Pillow ones are enough.
        vocabulary: words and characters, as a `WordVocabulary` or as its ``to_dict``.
        max_characters: of a word; those that follow are left out.
    """

    def __init__(
        self,
        image_processor: Any,
        vocabulary: WordVocabulary | Mapping[str, Any],
        max_characters: int = 64,
        **kwargs: Any,
    ):
        super().__init__(vocabulary, max_characters, image_processor=image_processor, **kwargs)
