"""Sentences made ready for a tagger: sub-tokens, and which word each of them is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from hf_mlm.models.layers.crf import IGNORED
from hf_mlm.models.layers.word_pooling import NO_WORD
from hf_mlm.models.sentence_processor import SentenceProcessor
from hf_mlm.models.word_encoding import Window, WordEncoder


# Kept apart from the processors, which are saved, copied and hashed without what an encoder remembers.
_ENCODERS: WeakKeyDictionary[TaggerProcessor, tuple[Any, WordEncoder]] = WeakKeyDictionary()


class TaggerProcessor(SentenceProcessor):
    """Encodes words with any tokenizer, fast or slow, so that none of them and none of their labels gets lost.

    Words that the tokenizer deletes become its unknown token. Sentences longer than ``max_length`` become windows,
    each of them a row; each word's label is in one of them.

    Args:
        tokenizer: the text encoder's.
        max_length: sub-tokens of a row, special tokens included; the tokenizer's limit when omitted.
        stride: sub-tokens that two windows of a sentence share at most; a quarter of ``max_length`` when omitted.

    Example:
        ``processor(text=[["Paris", "rocks"]])`` gives ``input_ids``, ``attention_mask`` and ``word_ids``, which are
        ``[[-1, 0, 1, -1]]`` for BERT.
    """

    def __init__(self, tokenizer: Any, max_length: int | None = None, stride: int | None = None, **kwargs: Any):
        super().__init__(tokenizer=tokenizer, **kwargs)
        self.max_length = max_length
        self.stride = stride
        self._word_encoder()  # refuses what does not fit together

    def windows(self, sentences: Sequence[Sequence[str]]) -> list[Window]:
        """Encode sentences, given as lists of words, each into at least one window.

        Args:
            sentences: words of each sentence.

        Raises:
            ValueError: if a word vanishes and the tokenizer has no unknown token.
        """
        return self._word_encoder()(sentences)

    def rows(
        self, windows: Sequence[Window], labels: Sequence[Sequence[int]] | None = None
    ) -> list[dict[str, list[int]]]:
        """Make a row of each window, such as a dataset of encoded sentences keeps.

        Args:
            windows: of sentences.
            labels: a label for each word of each sentence.

        Returns:
            ``input_ids`` and ``word_ids`` (tokens,) of each window, and ``labels`` (tokens,) if given.

        Raises:
            ValueError: if a sentence has more or fewer labels than words.
        """
        rows = [{"input_ids": window.input_ids, "word_ids": window.word_ids} for window in windows]
        if labels is None:
            return rows
        _check_labels(windows, labels)
        placed = [window.place(labels[window.sentence]) for window in windows]
        return [{**row, "labels": tags} for row, tags in zip(rows, placed, strict=True)]

    def pad(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """Bring rows to the length of the longest.

        Args:
            rows: ``input_ids``, ``word_ids`` and, in all or none of them, ``labels``, each (tokens,).

        Returns:
            the same, int64 (rows, tokens), and ``attention_mask``.
        """
        fillers = {"input_ids": self.tokenizer.pad_token_id or 0, "word_ids": NO_WORD, "labels": IGNORED}
        lengths = np.array([len(row["input_ids"]) for row in rows])
        inside = np.arange(lengths.max()) < lengths[:, None]  # (rows, tokens)
        batch = {"attention_mask": inside.astype(np.int64)}
        for name in [name for name in fillers if name in rows[0]]:
            batch[name] = np.full(inside.shape, fillers[name])
            batch[name][inside] = list(chain.from_iterable(row[name] for row in rows))
        return batch

    def _word_encoder(self) -> WordEncoder:
        settings = (len(self.tokenizer), self.max_length, self.stride)
        known, encoder = _ENCODERS.get(self, (None, None))
        if encoder is None or known != settings:
            encoder = WordEncoder(self.tokenizer, self.max_length, self.stride)
            _ENCODERS[self] = settings, encoder
        return encoder

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's arguments that the processor makes."""
        return ["input_ids", "attention_mask", "word_ids"]


def _check_labels(windows: Sequence[Window], labels: Sequence[Sequence[int]]) -> None:
    words = {window.sentence: window.stop for window in windows}  # its last window ends where the sentence does
    if len(labels) != len(words):
        raise ValueError(f"there are labels for {len(labels)} sentences, and {len(words)} sentences.")
    for sentence, count in words.items():
        if len(labels[sentence]) != count:
            raise ValueError(f"sentence {sentence} has {count} words and {len(labels[sentence])} labels.")
