"""What the processors of all taggers share: sentences become windows, windows rows, and rows a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers import BatchFeature, ProcessorMixin

from hf_mlm.models.word_splitting import split_words


Sentence = str | Sequence[str]


class SentenceProcessor(ProcessorMixin):
    """Base of the taggers' processors, which differ in how they read words: their `windows`, `rows` and `pad`."""

    def __call__(
        self,
        text: Sentence | Sequence[Sentence],
        *,
        labels: Sequence[Sequence[int]] | None = None,
        return_tensors: str | None = "pt",
    ) -> BatchFeature:
        """Prepare sentences.

        Args:
            text: sentences, each a list of words, or a string, which is split as `split_words` does; or one string.
            labels: a label for each word of each sentence.
            return_tensors: "pt" for tensors, "np" for arrays.

        Returns:
            What ``model_input_names`` names, (rows, tokens) each, and ``labels`` (rows, tokens) if given; as many rows
            as sentences unless some are longer than a row can be.

        Raises:
            ValueError: if the labels do not match the words, or the words cannot be encoded.
        """
        windows = self.windows(self.words([text] if isinstance(text, str) else text))
        return BatchFeature(self.pad(self.rows(windows, labels)), tensor_type=return_tensors)

    def words(self, sentences: Sequence[Sentence]) -> list[Sequence[str]]:
        """Split those sentences that are strings into words, as `split_words` does.

        Args:
            sentences: strings or lists of words.
        """
        return [split_words(sentence)[0] if isinstance(sentence, str) else sentence for sentence in sentences]

    def windows(self, sentences: Sequence[Sequence[str]]) -> list[Any]:
        """Encode sentences, given as lists of words, each into at least one window that says which ``sentence`` it is.

        Args:
            sentences: words of each sentence.
        """
        raise NotImplementedError

    def rows(self, windows: Sequence[Any], labels: Sequence[Sequence[int]] | None = None) -> list[dict[str, Any]]:
        """Make a row of each window, such as a dataset of encoded sentences keeps.

        Args:
            windows: of sentences.
            labels: a label for each word of each sentence.
        """
        raise NotImplementedError

    def pad(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """Bring rows to the length of the longest.

        Args:
            rows: what `rows` returned.
        """
        raise NotImplementedError
