"""Words of a caption, and what is left out of it before."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from hf_mlm.models.word_splitting import split_words


PLACEHOLDER = "<PERSON>"  # stands in Conceptual 12M's captions for people's names
MASK = "[MASK]"
POLICIES = ("drop", "keep", "mask")
_WHOLE = re.compile(f"({re.escape(PLACEHOLDER)}|{re.escape(MASK)})")
_ODD = {"Cc", "Cf", "Cn", "Co", "Cs"}  # control, format, unassigned, private use, surrogate


class Cleaned(NamedTuple):
    """A text and how many characters were taken out of it."""

    text: str
    odd: int


def clean(text: str) -> Cleaned:
    r"""Compose accents, make white space single blanks, and take out characters that tokenizers swallow.

    Those are control, zero-width, private-use and replacement characters (2M-NER's files hold 29 of them as words).

    Example:
        >>> clean("Ne\u0301e\u200b  in\tWien \ufffd")
        Cleaned(text='Née in Wien', odd=2)
    """
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    kept = "".join(sign for sign in spaced if sign != "\ufffd" and unicodedata.category(sign) not in _ODD)
    return Cleaned(" ".join(kept.split()), len(spaced) - len(kept))


def apply_policy(text: str, policy: str) -> str | None:
    """Do with the placeholders of people's names what is asked for; None where the sentence is to go.

    Args:
        text: a caption.
        policy: ``"drop"`` the sentence, ``"keep"`` the placeholder as a word outside of all entities, or ``"mask"`` it
            by ``[MASK]``, the word that is not told of BERT's tokenizers.

    Example:
        >>> [apply_policy("<PERSON> in Rome", policy) for policy in POLICIES]
        [None, '<PERSON> in Rome', '[MASK] in Rome']
    """
    if PLACEHOLDER not in text or policy == "keep":
        return text
    return None if policy == "drop" else text.replace(PLACEHOLDER, MASK)


def words_of(text: str) -> tuple[tuple[int, int], ...]:
    """First character and the one after the last of each word; a placeholder is one word.

    Example:
        >>> words_of("<PERSON>'s dog")
        ((0, 8), (8, 10), (11, 14))
    """
    words: list[tuple[int, int]] = []
    place = 0
    for number, piece in enumerate(_WHOLE.split(text)):  # every other piece is a placeholder
        places = [(0, len(piece))] if number % 2 else split_words(piece)[1]
        words += [(place + start, place + end) for start, end in places]
        place += len(piece)
    return tuple(words)


def is_placeholder(text: str, start: int, end: int) -> bool:
    """Whether a stretch of text holds a placeholder, which is no entity."""
    return _WHOLE.search(text, start, end) is not None
