"""Defects of sentences: labels that do not load, contradictions, invisible characters, absent and broken images."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from huggingface_hub.utils import tqdm

from hf_mlm.data.checks import ImageFolder, image_defect
from hf_mlm.data.mmnerd.schemes import TYPES, entities, violation
from hf_mlm.data.mmnerd.statistics import Row


@dataclass
class LabelProblems:
    """Labels that keep files from being loaded."""

    invalid: list[str] = field(default_factory=list)  # file, line and reason of each sentence's first violation
    empty: list[str] = field(default_factory=list)  # file and line of each image id without words
    unknown_types: Counter[str] = field(default_factory=Counter)  # entities by type that is not expected

    def __bool__(self) -> bool:
        return bool(self.invalid or self.empty or self.unknown_types)


def label_problems(rows: Sequence[Row], types: Sequence[str] = TYPES) -> LabelProblems:
    """Find labels that are not IOB2, and image ids without words.

    Args:
        rows: sentences.
        types: expected entity types.
    """
    problems = LabelProblems()
    for row in rows:
        sentence = row.sentence
        if not sentence.tokens:
            problems.empty.append(f"{row.file}:{sentence.line - 1}: IMGID:{sentence.image_id}")
        wrong = violation(sentence.tags)
        if wrong:
            problems.invalid.append(f"{row.file}:{sentence.line_of(wrong.position)}: {wrong.reason}")
        problems.unknown_types.update(item.type for item in entities(sentence.tags) if item.type not in types)
    return problems


@dataclass
class LabelConflicts:
    """Equal words with different labels, within a language: texts (case ignored), and names (case kept)."""

    texts: int = 0  # with several labellings
    text_examples: list[list[str]] = field(default_factory=list)  # files and lines
    surfaces: int = 0  # different names
    ambiguous_surfaces: int = 0  # names with several types
    ambiguous_mentions: int = 0
    surface_examples: dict[str, dict[str, int]] = field(default_factory=dict)  # "London (en)" -> mentions by type


def label_conflicts(rows: Sequence[Row], examples: int = 10) -> LabelConflicts:
    """Find texts and names that are labelled in more than one way.

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
    texts = [list(first.values()) for first in labelled.values() if len(first) > 1]
    ambiguous = {key: counts for key, counts in types.items() if len(counts) > 1}
    frequent = sorted(ambiguous, key=lambda key: -ambiguous[key].total())[:examples]
    return LabelConflicts(
        texts=len(texts),
        text_examples=texts[:examples],
        surfaces=len(types),
        ambiguous_surfaces=len(ambiguous),
        ambiguous_mentions=sum(counts.total() for counts in ambiguous.values()),
        surface_examples={
            f"{name} ({language})": dict(ambiguous[language, name].most_common()) for language, name in frequent
        },
    )


@dataclass
class OddTokens:
    """Tokens with invisible, private-use or replacement characters, or white space."""

    characters: Counter[str] = field(default_factory=Counter)  # "U+200B ZERO WIDTH SPACE" -> tokens that hold it
    vanishing: int = 0  # tokens of nothing else, which BERT's cleaner deletes: they have no sub-token
    sentences: int = 0  # with vanishing tokens
    examples: list[str] = field(default_factory=list)  # file and line of these


def odd_tokens(rows: Sequence[Row], examples: int = 10) -> OddTokens:
    """Find tokens with odd characters.

    Args:
        rows: sentences.
        examples: the most sentences to list.
    """
    found = OddTokens()
    plain: set[str] = set()  # tokens without odd characters
    for row in rows:
        vanishing = 0
        for token in row.sentence.tokens:
            if token in plain:
                continue
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
    r"""Tell whether a character is a control, format, surrogate, private-use or unassigned one, U+FFFD or white space.

    Example:
        >>> [is_odd(character) for character in ("a", "é", "\u200b", "\uf0d8", "\ufffd", "\u00a0")]
        [False, False, True, True, True, True]
    """
    return unicodedata.category(character)[0] in "CZ" or character == "\N{REPLACEMENT CHARACTER}"


def _name(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()


@dataclass
class ImageProblems:
    """Images that cannot be shown."""

    looked_for: int = 0  # different image ids; 0 without a folder of images
    absent: list[str] = field(default_factory=list)  # image ids that the folder lacks
    broken: list[str] = field(default_factory=list)  # paths of undecodable images, with the reason


def image_problems(rows: Sequence[Row], images: ImageFolder | None) -> ImageProblems:
    """Find absent images, and decode each of the others once.

    Args:
        rows: sentences.
        images: the folder; None checks nothing.
    """
    if images is None:
        return ImageProblems()
    ids = list(dict.fromkeys(row.sentence.image_id for row in rows if row.sentence.image_id is not None))
    paths = {image_id: images.find(image_id) for image_id in ids}
    there = [path for path in paths.values() if path is not None]
    with ThreadPoolExecutor() as pool:
        defects = list(tqdm(pool.map(image_defect, there), desc="Decoding images", total=len(there), unit=" images"))
    return ImageProblems(
        looked_for=len(ids),
        absent=[image_id for image_id, path in paths.items() if path is None],
        broken=[f"{path} {defect}" for path, defect in zip(there, defects, strict=True) if defect],
    )
