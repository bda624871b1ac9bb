"""Raw text to words, with the place of each in the text."""

from __future__ import annotations

import re


# Numbers with their separators, abbreviations, words with their accents, an English clitic, quotes, dashes and dots of
# several signs, or any one sign by itself.
_WORD = re.compile(
    r"""
    \d+(?:[.,:]\d+)+
  | (?:[^\W\d_]\.){2,}
  | \w[\w\u0300-\u036f]*
  | ['’](?:s|t|d|m|ll|re|ve)\b
  | ([`'.-])\1+
  | [^\w\s]
    """,
    re.VERBOSE | re.IGNORECASE,
)


def split_words(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Split text as the sentences of MMNERD are: every sign is a word of its own, as are 's, U.S. and numbers like
    1,000.5.

    Nothing but white space is left out. Who needs another division passes lists of words instead of texts.

    Args:
        text: of any length and language that puts spaces between words.

    Returns:
        The words and, for each of them, its first character and the one after its last: ``text[start:stop] == word``.

    Example:
        >>> split_words("Obama's visit (2,000 fans)!")[0]
        ['Obama', "'s", 'visit', '(', '2,000', 'fans', ')', '!']
    """
    matches = list(_WORD.finditer(text))
    return [match.group() for match in matches], [match.span() for match in matches]
