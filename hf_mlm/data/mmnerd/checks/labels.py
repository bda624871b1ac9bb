"""Labels that cannot be right: no IOB2, unknown types, different labels for the same words."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from hf_mlm.data.mmnerd.checks.statistics import Row
from hf_mlm.data.mmnerd.schemes import TYPES, entities, violation


@dataclass
class LabelProblems:
    """What keeps files from being loaded.

    Attributes:
        invalid: file, line and reason of the first label of each sentence that violates IOB2.
        empty: file and line of each image id without words.
        unknown_types: number of entities by type that is none of those expected.
    """

    invalid: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    unknown_types: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return bool(self.invalid or self.empty or self.unknown_types)


def label_problems(rows: Sequence[Row], types: Sequence[str] = TYPES) -> LabelProblems:
    """Look for labels that are not IOB2, and for sentences without words.

    Args:
        rows: sentences.
        types: of entities that are expected.
    """
    problems = LabelProblems()
    for row in rows:
        sentence = row.sentence
        if not sentence.tokens:
            problems.empty.append(f"{row.file}:{sentence.line - 1}: IMGID:{sentence.image_id}")
        wrong = violation(sentence.tags)
        if wrong:
            problems.invalid.append(f"{row.file}:{sentence.line + wrong.position}: {wrong.reason}")
        problems.unknown_types.update(item.type for item in entities(sentence.tags) if item.type not in types)
    return problems


@dataclass
class LabelConflicts:
    """The same words with different labels, within a language.

    Attributes:
        texts: number of texts (without regard to case) whose labels differ somewhere.
        text_examples: files and lines of the first of them.
        surfaces: number of different names (with regard to case).
        ambiguous_surfaces: number of those that occur with several types.
        ambiguous_mentions: number of their mentions.
        surface_examples: "London (en)" -> mentions by type, of the most frequent of them.
    """

    texts: int = 0
    text_examples: list[list[str]] = field(default_factory=list)
    surfaces: int = 0
    ambiguous_surfaces: int = 0
    ambiguous_mentions: int = 0
    surface_examples: dict[str, dict[str, int]] = field(default_factory=dict)


def label_conflicts(rows: Sequence[Row], examples: int = 10) -> LabelConflicts:
    """Look for texts and names that are labelled now this way, now that way.

    Args:
        rows: sentences of one or more languages.
        examples: the most examples to give of each.
    """
    labelled: dict[tuple[str, str], dict[tuple[str, ...], str]] = defaultdict(dict)
    types: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        sentence = row.sentence
        labelled[row.language, row.text.casefold()].setdefault(tuple(sentence.tags), row.where)
        for item in entities(sentence.tags):
            types[row.language, " ".join(sentence.tokens[item.start : item.stop])][item.type] += 1
    texts = [list(places.values()) for places in labelled.values() if len(places) > 1]
    ambiguous = {key: counts for key, counts in types.items() if len(counts) > 1}
    frequent = sorted(ambiguous, key=lambda key: -ambiguous[key].total())[:examples]
    return LabelConflicts(
        texts=len(texts),
        text_examples=texts[:examples],
        surfaces=len(types),
        ambiguous_surfaces=len(ambiguous),
        ambiguous_mentions=sum(counts.total() for counts in ambiguous.values()),
        surface_examples={f"{key[1]} ({key[0]})": dict(ambiguous[key].most_common()) for key in frequent},
    )


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
