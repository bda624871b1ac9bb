"""Tokens that a tokenizer may swallow."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hf_mlm.data.checks.rows import Row


@dataclass
class OddTokens:
    """Tokens that hold invisible, private-use or replacement characters, or white space.

    Attributes:
        characters: "U+200B ZERO WIDTH SPACE" -> number of tokens that hold it.
        vanishing: number of tokens that hold nothing else, which BERT's cleaner deletes: they have no sub-token.
        sentences: number of sentences with such tokens.
        examples: file and line of the first of them.
    """

    characters: Counter[str] = field(default_factory=Counter)
    vanishing: int = 0
    sentences: int = 0
    examples: list[str] = field(default_factory=list)


def odd_tokens(rows: Sequence[Row], examples: int = 10) -> OddTokens:
    """Look for such tokens.

    Args:
        rows: sentences.
        examples: the most places to give.
    """
    found = OddTokens()
    plain: set[str] = set()  # tokens that have been looked at
    for row in rows:
        odd = [token for token in row.sentence.tokens if token not in plain]
        vanishing = 0
        for token in odd:
            characters = {character for character in token if is_odd(character)}
            vanishing += len(characters) == len(set(token))
            if token and not characters:
                plain.add(token)
            found.characters.update(map(_name, characters))
        found.vanishing += vanishing
        found.sentences += vanishing > 0
        if vanishing and len(found.examples) < examples:
            found.examples.append(row.where)
    return found


def is_odd(character: str) -> bool:
    r"""Whether a character is a control, format, surrogate, private-use or unassigned one, U+FFFD or white space.

    Example:
        >>> [is_odd(character) for character in ("a", "é", "\u200b", "\uf0d8", "\ufffd", "\u00a0")]
        [False, False, True, True, True, True]
    """
    return unicodedata.category(character)[0] in "CZ" or character == "\N{REPLACEMENT CHARACTER}"


def _name(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
