"""Words to sub-tokens with any tokenizer, fast or slow, and sentences to windows that the encoder can read.

Each distinct word is tokenised once, as it would be inside a text, and sentences are put together from the results.
No word gets lost: what the tokenizer makes nothing of becomes its unknown token, and a sentence that is too long
becomes several windows that overlap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any, NamedTuple

from transformers.utils import logging

from hf_mlm.models.layers.crf import IGNORED
from hf_mlm.models.layers.pooling import NO_WORD


logger = logging.get_logger(__name__)


DEFAULT_MAX_LENGTH = 512  # for tokenizers that know of no limit
CACHED_WORDS = 500_000  # then the cache starts anew


class Window(NamedTuple):
    """A sentence, or as much of one as the encoder can read.

    Args:
        sentence: number of the sentence it is from.
        input_ids: one for each sub-token, special tokens included.
        word_ids: the word of the sentence that each sub-token belongs to, -1 at special tokens.
        first: first word that this window answers for; the words before it are context.
        stop: one after the last word that this window answers for.
        character_ids: of each word, for models that read whole words and spell them.
    """

    sentence: int
    input_ids: list[int]
    word_ids: list[int]
    first: int
    stop: int
    character_ids: list[list[int]] | None = None

    def align(self, labels: Sequence[int]) -> list[int]:
        """Put the labels of a sentence's words at the first sub-tokens of the words that this window answers for.

        Args:
            labels: one for each word of the sentence.

        Returns:
            One for each sub-token, -100 elsewhere.
        """
        aligned = [IGNORED] * len(self.word_ids)
        for position in self.starts():
            aligned[position] = labels[self.word_ids[position]]
        return aligned

    def starts(self) -> list[int]:
        """Positions of the first sub-tokens of the words that this window answers for."""
        previous = [NO_WORD, *self.word_ids]
        return [
            position
            for position, word in enumerate(self.word_ids)
            if word != previous[position] and self.first <= word < self.stop
        ]


class WordEncoder:
    """Makes windows of sentences that are split into words.

    Args:
        tokenizer: of transformers, fast or slow.
        max_length: sub-tokens of a window, special tokens included; the tokenizer's limit when omitted, and 512 where
            it has none.
        stride: sub-tokens that neighbouring windows of a sentence share at most; a quarter of ``max_length`` when
            omitted.

    Raises:
        ValueError: if ``max_length`` leaves no room beside the special tokens, or ``stride`` does not leave any.
    """

    def __init__(self, tokenizer: Any, max_length: int | None = None, stride: int | None = None):
        self.tokenizer = tokenizer
        self.prefix, self.suffix = _special_tokens(tokenizer)
        limit = tokenizer.model_max_length
        self.max_length = max_length or (limit if limit < 10**6 else DEFAULT_MAX_LENGTH)
        self.room = self.max_length - len(self.prefix) - len(self.suffix)
        self.stride = self.max_length // 4 if stride is None else stride
        if not 0 <= self.stride < self.room:
            raise ValueError(
                f"stride={self.stride} must lie in [0, {self.room}): max_length={self.max_length} less the special "
                "tokens is all the room for words in a window, and each window has to get further."
            )
        self.needs_space = _needs_space(tokenizer)
        self._cache: dict[str, list[int]] = {}

    def __call__(self, sentences: Sequence[Sequence[str]]) -> list[Window]:
        """Encode sentences, each at least into one window, in their order.

        Args:
            sentences: words of each sentence, none of them left out however odd.

        Raises:
            ValueError: if a sentence is a string, or a word vanishes and the tokenizer has no unknown token.
        """
        for number, words in enumerate(sentences):
            if isinstance(words, str):
                raise ValueError(f"sentence {number} is the string {words[:40]!r}; pass the list of its words.")
        self._learn(word for words in sentences for word in words)
        return [window for number, words in enumerate(sentences) for window in self._windows(number, words)]

    def in_context(self, sentences: Sequence[Sequence[str]]) -> list[Window]:
        """Encode the sentences of a document, each amid as many words before and after it as fit.

        Args:
            sentences: words of each sentence, in their order.

        Returns:
            One window for each sentence, whose ``word_ids`` count the words of the document; several, without context,
            for a sentence that is too long.
        """
        self._learn(word for words in sentences for word in words)
        document = [word for words in sentences for word in words]
        sizes = [0, *accumulate(len(self._cache[word]) for word in document)]  # (words + 1,), sub-tokens before each
        borders, windows = [0, *accumulate(map(len, sentences))], []
        for number, (first, stop) in enumerate(pairwise(borders)):
            spare = self.room - (sizes[stop] - sizes[first])
            if spare < 0:
                windows += self._windows(number, sentences[number])
                continue
            end = bisect_right(sizes, sizes[stop] + max(spare - spare // 2, spare - sizes[first])) - 1
            start = bisect_left(sizes, sizes[end] - self.room)
            end = bisect_right(sizes, sizes[start] + self.room) - 1
            windows.append(self._window(number, document, (start, end), first, stop))
        return windows

    def _learn(self, words: Iterable[str]) -> None:
        """Tokenise the words that are new."""
        if len(self._cache) > CACHED_WORDS:
            self._cache.clear()
        new = [word for word in dict.fromkeys(words) if word not in self._cache]
        if not new:
            return
        texts = [f" {word}" if self.needs_space else word for word in new]
        encoded = self.tokenizer(texts, add_special_tokens=False, truncation=False)["input_ids"]
        for word, ids in zip(new, encoded, strict=True):
            self._cache[word] = (ids or [self._unknown(word)])[: self.room]

    def _unknown(self, word: str) -> int:
        if self.tokenizer.unk_token_id is None:
            raise ValueError(f"the tokenizer makes nothing of the word {word!r} and has no unknown token instead.")
        return self.tokenizer.unk_token_id

    def _windows(self, sentence: int, words: Sequence[str]) -> list[Window]:
        ends = [0, *accumulate(len(self._cache[word]) for word in words)]  # (words + 1,), sub-tokens before each word
        spans = _spans(ends, self.room, self.stride)
        borders = [0, *((start + stop) // 2 for (_, stop), (start, _) in pairwise(spans)), len(words)]
        answered = zip(spans, pairwise(borders), strict=True)
        return [self._window(sentence, words, span, *words_of_its_own) for span, words_of_its_own in answered]

    def _window(self, sentence: int, words: Sequence[str], span: tuple[int, int], first: int, stop: int) -> Window:
        """The words of a span between special tokens."""
        pieces = [self._cache[word] for word in words[slice(*span)]]
        input_ids = [*self.prefix, *chain.from_iterable(pieces), *self.suffix]
        numbers = [number for number, piece in enumerate(pieces, span[0]) for _ in piece]
        word_ids = [*[NO_WORD] * len(self.prefix), *numbers, *[NO_WORD] * len(self.suffix)]
        return Window(sentence, input_ids, word_ids, first, stop)


def _spans(ends: Sequence[int], room: int, stride: int) -> list[tuple[int, int]]:
    """First word of each window and the one after its last: whole words, as many as fit, sharing up to ``stride``.

    Example:
        >>> _spans([0, 1, 3, 4, 6], room=4, stride=1)
        [(0, 3), (2, 4)]
    """
    spans, start = [], 0
    while True:
        stop = bisect_right(ends, ends[start] + room) - 1
        spans.append((start, stop))
        if stop == len(ends) - 1:
            return spans
        shared = min(stride, room - (ends[stop + 1] - ends[stop]))  # the next word has to fit in as well
        start = bisect_left(ends, ends[stop] - shared)


def _special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Find the special tokens that the tokenizer puts around a text; warn where it puts none of those it has."""
    framed, bare = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    starts = range(len(framed) - len(bare) + 1)
    before = next((start for start in starts if framed[start : start + len(bare)] == bare), 0)
    after = framed[before + len(bare) :]
    if tokenizer.cls_token_id is not None and len(framed) == len(bare):
        logger.warning(
            f"Expected {tokenizer.cls_token} before every text, found none around a text: the tokenizer's settings "
            "(add_bos_token, post_processor) leave its special tokens out, and encoders are trained with them."
        )
    return framed[:before], after


def _needs_space(tokenizer: Any) -> bool:
    """Whether a word by itself needs a space before it to be read as inside a text, as with byte-level tokenizers."""
    text, bare, spaced = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("a b", "b", " b"))
    return text[-len(bare) :] != bare and text[-len(spaced) :] == spaced
