"""Division of raw text into words, by a rule that is chosen and completed from the words of training sentences."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Literal, NamedTuple

import regex


Rule = Literal["unicode", "characters", "mmnerd", "whitespace"]
Span = tuple[int, int]

# Numbers with their separators, abbreviations, words with their accents, an English clitic, quotes, dashes and dots of
# several signs, or any one sign by itself.
_MMNERD = r"""
    \d+(?:[.,:]\d+)+
  | (?:[^\W\d_]\.){2,}
  | \w[\w\u0300-\u036f]*
  | ['’](?:s|t|d|m|ll|re|ve)\b
  | ([`'.-])\1+
  | [^\w\s]
"""
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"  # written without spaces
_LETTER = r"[\p{L}\p{N}][\p{M}\u00ad\u200c\u200d]*"  # with its marks, soft hyphens and joiners
_SIGN = r"(?!\p{C})\X"  # with what modifies it, as in emoji; invisible characters are none
_PATTERNS = {
    "whitespace": regex.compile(r"\S+"),
    "mmnerd": re.compile(_MMNERD, re.VERBOSE | re.IGNORECASE),
    "unicode": regex.compile(rf"(?:{_LETTER})+|{_SIGN}"),
    "characters": regex.compile(rf"(?:(?!{_UNSPACED}){_LETTER})+|{_SIGN}"),
    "single characters": regex.compile(_SIGN),
}
RULES: tuple[Rule, ...] = ("unicode", "characters", "mmnerd", "whitespace")
_IS_UNSPACED = regex.compile(_UNSPACED)

LARGEST_SAMPLE, MOST_COMPARED = 20_000, 2_000  # sentences that a rule is completed by, and compared on
MOST_EXCEPTIONS = 10_000  # the most frequent ones are kept
_LONGEST = 20  # pieces of an exception
_SHARE_INSIDE = 1 / 3  # of a sign's occurrences between letters, from which on it joins them
_CLOSING, _OPENING = frozenset(",.;:!?%)]}’”»…、。，！？；：）」』।॥؟،؛"), frozenset("([{‘“«（「『¿¡")


def split_words(text: str) -> tuple[list[str], list[Span]]:
    """Split text as the sentences of MMNERD are: every sign is a word of its own, as are 's, U.S. and 1,000.5.

    Nothing but white space is left out.

    Args:
        text: of any length and language that puts spaces between words.

    Returns:
        The words and, for each of them, its first character and the one after its last: ``text[start:stop] == word``.

    Example:
        >>> split_words("Obama's visit (2,000 fans)!")[0]
        ['Obama', "'s", 'visit', '(', '2,000', 'fans', ')', '!']
    """
    return WordSplitter("mmnerd")(text)


class Kept(NamedTuple):
    """Shares of the words of sentences that a rule finds again.

    Args:
        spaced: where the words of a sentence are joined by single spaces.
        natural: where there are no spaces before closing and after opening signs, and within scripts without spaces.
    """

    spaced: float
    natural: float


@dataclass(frozen=True)
class WordSplitter:
    """Splits text into words by a rule.

    ``"unicode"``: letters and digits with their combining marks are words, and every sign is one by itself.
    ``"characters"``: so is every character of a script that is written without spaces. ``"whitespace"``: all that
    stands between white space. ``"mmnerd"``: as `split_words`. The first two leave invisible characters out, and
    training words decide on what is below.

    Args:
        rule: one of `RULES`.
        joiners: signs that hold letters together, such as the hyphen in Guinea-Bissau.
        digit_joiners: signs that hold digits together, as in 1,000.5 or 1996-12-06.
        exceptions: words that would be split and are words all the same, such as U.S. or 's.
        whole: for ``"characters"``, whether letters and digits of other scripts make words, or are such one by one.

    Raises:
        ValueError: if there is no such rule.

    Example:
        >>> WordSplitter("unicode", joiners="-", exceptions=("'s",))("Bissau-born Ana's खीर!")[0]
        ['Bissau-born', 'Ana', "'s", 'खीर', '!']
    """

    rule: Rule = "mmnerd"
    joiners: str = ""
    digit_joiners: str = ""
    exceptions: tuple[str, ...] = ()
    whole: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "exceptions", tuple(self.exceptions))
        if self.rule not in RULES:
            raise ValueError(f"Expected word_splitter to be one of {', '.join(RULES)}, found {self.rule!r}.")

    def __call__(self, text: str) -> tuple[list[str], list[Span]]:
        """Split a text.

        Args:
            text: of any length.

        Returns:
            The words and, for each of them, its first character and the one after its last.
        """
        pattern = _PATTERNS[self.rule if self.whole else "single characters"]
        if not self.learns:
            spans = [match.span() for match in pattern.finditer(text)]
        else:
            spans = [
                span for chunk in _PATTERNS["whitespace"].finditer(text) for span in self._words(text, chunk, pattern)
            ]
        return [text[start:stop] for start, stop in spans], spans

    @classmethod
    def from_sentences(cls, sentences: Iterable[Sequence[str]], rule: Rule | None = None) -> tuple[WordSplitter, Kept]:
        """Choose the rule that finds most words of sentences again, and complete it by what they tell.

        Rules are compared on sentences that they have not been completed by.

        Args:
            sentences: words of each training sentence; the first 20,000 count.
            rule: take this one; when omitted the best, of equal ones the first of `RULES`.

        Returns:
            The splitter, and the shares of words that it finds again.
        """
        sample = [list(words) for words in islice(sentences, LARGEST_SAMPLE)]
        drawn = random.Random(0).sample(sample, len(sample))  # noqa: S311, as sentences of a kind often stand together
        half = len(drawn) // 2
        held_out = drawn[half:][:MOST_COMPARED]
        kept = {name: _learn(name, drawn[:half]).kept(held_out) for name in RULES if rule in (None, name)}
        best = max(kept, key=lambda name: round(sum(kept[name]), 3))
        return _learn(best, sample), kept[best]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments alone, so that hashes of what holds a splitter do not change by its use."""
        return WordSplitter, (self.rule, self.joiners, self.digit_joiners, self.exceptions, self.whole)

    @property
    def learns(self) -> bool:
        """Whether training words complete the rule."""
        return self.rule in ("unicode", "characters")

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of the class beside the rule, as JSON knows them, none where the rule learns nothing."""
        learnt = {"joiners": self.joiners, "digit_joiners": self.digit_joiners, "exceptions": list(self.exceptions)}
        return {**learnt, "whole": self.whole} if self.learns else {}

    def kept(self, sentences: Sequence[Sequence[str]]) -> Kept:
        """Join the words of sentences, split the texts, and compare.

        Args:
            sentences: words of each sentence.
        """
        right, given = [0, 0], max(sum(map(len, sentences)), 1)
        for words in sentences:
            for natural in (False, True):
                text, spans = join_words(words, natural)
                right[natural] += len({*spans} & {*self(text)[1]})
        return Kept(right[0] / given, right[1] / given)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.exceptions)

    def _words(self, text: str, chunk: regex.Match[str], pattern: regex.Pattern[str]) -> Iterator[Span]:
        """Put the pieces of a text between white space together to words."""
        pieces = [match.span() for match in pattern.finditer(text, *chunk.span())]
        if len(pieces) < 2:
            yield from pieces
            return
        index = 0
        while index < len(pieces):
            stop = self._exception(text, pieces, index) or self._joined(text, pieces, index)
            yield pieces[index][0], pieces[stop - 1][1]
            index = stop

    def _exception(self, text: str, pieces: Sequence[Span], index: int) -> int:
        """End of the longest exception that begins with a piece, 0 where there is none."""
        start = pieces[index][0]
        last = min(index + _LONGEST, len(pieces)) if self.exceptions else 0
        return next((end for end in range(last, index + 1, -1) if text[start : pieces[end - 1][1]] in self._known), 0)

    def _joined(self, text: str, pieces: Sequence[Span], index: int) -> int:
        """End of what signs between letters or digits hold together with a piece."""
        while index + 2 < len(pieces):
            (_, start), (sign, stop), (after, _) = pieces[index : index + 3]
            sides = text[start - 1] + text[after]
            joiners = self.digit_joiners if sides.isdigit() else self.joiners
            if text[start:stop] not in joiners or sign != start or stop != after or not all(map(_is_letter, sides)):
                break
            if self._exception(text, pieces, index + 1):
                break
            index += 2
        return index + 1


def join_words(words: Sequence[str], natural: bool = False) -> tuple[str, list[Span]]:
    """Make a text of words.

    Args:
        words: of a sentence.
        natural: leave the space out before closing signs and clitics, after opening signs, and between characters of
            scripts that are written without spaces; put single spaces everywhere otherwise.

    Returns:
        The text and, for each word, its first character and the one after its last.

    Example:
        >>> join_words(["(", "Cork", ",", "Eire", ")"], natural=True)
        ('(Cork, Eire)', [(0, 1), (1, 5), (5, 6), (7, 11), (11, 12)])
    """
    parts: list[str] = []
    spans, position, last = [], 0, ""
    for word in words:
        if parts and not (natural and _touch(last, word)):
            parts.append(" ")
            position += 1
        spans.append((position, position + len(word)))
        parts.append(word)
        position, last = position + len(word), word[-1:] or last
    return "".join(parts), spans


def _touch(last: str, word: str) -> bool:
    """Whether a word follows what ends in a character without a space."""
    if last in _OPENING or set(word) <= _CLOSING:
        return True
    clitic = word[0] in "'’" and word[1:2].isalpha()
    elided = last in "'’" and word[0].isalpha()
    return clitic or elided or bool(_IS_UNSPACED.match(last) and _IS_UNSPACED.match(word))


def _learn(rule: Rule, sentences: Sequence[Sequence[str]]) -> WordSplitter:
    """Complete a rule by the signs inside of words, and by the words that it would split all the same."""
    if not WordSplitter(rule).learns:
        return WordSplitter(rule)
    counts = Counter(word for words in sentences for word in words)
    joiners, digit_joiners = (_joining(counts, sentences, digits) for digits in (False, True))
    whole = rule == "unicode" or any(
        len(word) > 1 and word.isalnum() and not _IS_UNSPACED.match(word) for word in counts
    )
    plain = WordSplitter(rule, joiners, digit_joiners, whole=whole)
    split = (word for word, _ in counts.most_common() if len(plain(word)[0]) > 1 and not any(map(str.isspace, word)))
    return WordSplitter(rule, joiners, digit_joiners, tuple(islice(split, MOST_EXCEPTIONS)), whole)


def _joining(counts: Mapping[str, int], sentences: Sequence[Sequence[str]], digits: bool) -> str:
    """Signs inside of words, often enough beside their occurrences as a word between two others."""
    inside: Counter[str] = Counter()
    for word, count in counts.items():
        for before, sign, after in zip(word, word[1:], word[2:], strict=False):
            inside[sign] += count * _divides(before, sign, after, digits)
    apart: Counter[str] = Counter()
    for words in sentences:
        for before, sign, after in zip(words, words[1:], words[2:], strict=False):
            if sign in inside:
                apart[sign] += _divides(before[-1:], sign, after[:1], digits)
    return "".join(sorted(sign for sign, n in inside.items() if n > 0 and n >= _SHARE_INSIDE * (n + apart[sign])))


def _divides(before: str, sign: str, after: str, digits: bool) -> bool:
    """Whether a sign stands between two digits, or two letters one of which is none."""
    sides = before + after
    return len(sides) == 2 and not _is_letter(sign) and all(map(_is_letter, sides)) and sides.isdigit() == digits


def _is_letter(character: str) -> bool:
    """Whether a character is a letter, a digit, or a mark on one."""
    return character.isalnum() or unicodedata.category(character)[0] == "M"
