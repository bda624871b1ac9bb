"""The words and characters that a word-level tagger knows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any


PADDING, UNKNOWN = 0, 1  # ids of words and of characters alike; the first known one has 2
_FIRST = 2
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class WordVocabulary:
    """Words and characters with their ids.

    A word is looked up as it is written, then lower-cased, and is unknown if neither is there.

    Args:
        words: without repetitions: those that occur at least twice in training, those that occur once, the others.
        characters: without repetitions; none for models that read whole words.
        singletons: id of the first word that occurs once in training, and of the first after them.
        zero_digits: whether every digit is read as a 0, as the vectors of some need it.

    Example:
        >>> vocabulary = WordVocabulary.from_sentences([["the", "river"], ["the", "Rhine"]])
        >>> vocabulary.words, vocabulary.singletons
        (('the', 'river', 'Rhine'), (3, 5))
        >>> vocabulary.word_ids(["The", "River", "rhine"])
        [2, 3, 1]
    """

    words: tuple[str, ...]
    characters: tuple[str, ...] = ()
    singletons: tuple[int, int] = (_FIRST, _FIRST)
    zero_digits: bool = False
    _word_ids: dict[str, int] = field(init=False, repr=False, compare=False)
    _character_ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Number the words and characters."""
        for name in ("words", "characters", "singletons"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "_word_ids", {word: number for number, word in enumerate(self.words, _FIRST)})
        numbered = {character: number for number, character in enumerate(self.characters, _FIRST)}
        object.__setattr__(self, "_character_ids", numbered)

    @classmethod
    def from_sentences(
        cls,
        sentences: Iterable[Sequence[str]],
        min_count: int = 1,
        also: Collection[str] = (),
        characters: bool = True,
        zero_digits: bool = False,
    ) -> WordVocabulary:
        """Collect the words of the training split.

        Args:
            sentences: words of each sentence.
            min_count: how often a word has to occur; the rarer ones are unknown.
            also: words that are known however seldom they occur, such as those of other splits that have a vector.
            characters: whether to collect the characters as well.
            zero_digits: whether every digit is read as a 0.

        Raises:
            ValueError: if there are no words, or a sentence is a string.
        """
        counts = Counter(chain.from_iterable(map(_refuse_string, sentences)))
        letters = sorted(set(chain.from_iterable(counts))) if characters else ()
        if zero_digits:
            counts, also = _with_zeros(counts), [_DIGIT.sub("0", word) for word in also]
        if not counts:
            raise ValueError(
                "there are no words in the sentences, so no vocabulary: pass those of the training split."
            )
        always = set(also)
        known = [word for word, count in counts.most_common() if count >= min_count or word in always]
        seldom = [word for word in known if counts[word] == 1]
        often = known[: len(known) - len(seldom)]
        unseen = [word for word in dict.fromkeys(also) if word not in counts]
        border = _FIRST + len(often)
        return cls((*often, *seldom, *unseen), tuple(letters), (border, border + len(seldom)), zero_digits)

    def __len__(self) -> int:
        """How many ids of words there are, padding and the unknown word included."""
        return _FIRST + len(self.words)

    def word_ids(self, words: Iterable[str]) -> list[int]:
        """Look words up: one id for each of them."""
        spelt = (_DIGIT.sub("0", word) for word in words) if self.zero_digits else words
        known = self._word_ids
        return [known.get(word) or known.get(word.lower(), UNKNOWN) for word in spelt]

    def character_ids(self, words: Iterable[str], limit: int) -> list[list[int]]:
        """Spell words, as far as ``limit`` characters: an id for each; the empty word is one unknown character."""
        known = self._character_ids
        return [[known.get(character, UNKNOWN) for character in word[:limit]] or [UNKNOWN] for word in words]

    def spellings(self) -> set[str]:
        """Every spelling by which a word may have a vector: the words, and their lower-cased forms."""
        return {*self.words, *(word.lower() for word in self.words)}

    def settings(self) -> dict[str, Any]:
        """What a `WordTaggerConfig` has to know of it: ``vocab_size``, ``num_characters`` and ``singletons``."""
        num_characters = _FIRST + len(self.characters) if self.characters else 0
        return {"vocab_size": len(self), "num_characters": num_characters, "singletons": list(self.singletons)}

    def to_dict(self) -> dict[str, Any]:
        """The arguments of the class as JSON knows them."""
        return {
            "words": list(self.words),
            "characters": "".join(self.characters),
            "singletons": list(self.singletons),
            "zero_digits": self.zero_digits,
        }


def _refuse_string(words: Sequence[str]) -> Sequence[str]:
    if isinstance(words, str):
        raise ValueError(f"a sentence is the string {words[:40]!r}; pass the list of its words.")
    return words


def _with_zeros(counts: Counter[str]) -> Counter[str]:
    zeroed: Counter[str] = Counter()
    for word, count in counts.items():
        zeroed[_DIGIT.sub("0", word)] += count
    return zeroed
