"""Label schemes: recognised in files, converted to IOB2, checked, and renamed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple


if TYPE_CHECKING:
    from hf_mlm.data.mmnerd.conll import Sentence

TYPES = ("PER", "LOC", "ORG", "MISC")
UNTYPED = "ENTITY"  # type of entities whose labels are letters alone: B, I

Form = Literal["prefix", "suffix", "letter", "bare"]

_LABEL = re.compile(r"O|[BI]-\S+")
_LETTER, _TYPE = "(?P<letter>[BIESLUMW])", r"(?P<type>\S(?:.*\S)?)"
_FORMS: dict[Form, re.Pattern[str]] = {
    "prefix": re.compile(f"{_LETTER}[-_]{_TYPE}"),
    "suffix": re.compile(f"{_TYPE}[-_]{_LETTER}"),
    "letter": re.compile(_LETTER),
    "bare": re.compile(_TYPE),
}
_SPELLED: dict[Form, str] = {"prefix": "B-TYPE", "suffix": "TYPE-B", "letter": "B", "bare": "TYPE"}
_MEANING = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S", "M": "I", "W": "S"}
# Allowed steps from one label to the next: two letters, O around the sentence, then = where the types are equal.
_STEPS = {
    "IOB2": re.compile("[OBI][OB].|[BI]I="),
    "IOBES": re.compile("[OES][OBS].|[BI][IE]="),
    "IOB1": re.compile("[OBI][OI].|[BI]B="),
    "IOE2": re.compile("[OE][OIE].|I[IE]="),
    "IOE1": re.compile("[OI][OIE].|E[IE]="),
    "IOBE": re.compile("[OBE][OB].|[BI][IE]="),  # BILO, where a B by itself is an entity
}


class Entity(NamedTuple):
    """A mention: its type, and its words ``start … stop − 1``."""

    type: str
    start: int
    stop: int


class Violation(NamedTuple):
    """A label that its scheme does not allow: the position of its word, and the reason."""

    position: int
    reason: str


def tags_of(types: Sequence[str]) -> tuple[str, ...]:
    """List the labels of entity types: O, then B- and I- of each.

    Example:
        >>> tags_of(["SHIP", "DATE"])
        ('O', 'B-SHIP', 'I-SHIP', 'B-DATE', 'I-DATE')
    """
    return ("O", *(f"{prefix}-{kind}" for kind in types for prefix in "BI"))


TAGS = tags_of(TYPES)


def types_of(tags: Sequence[str]) -> tuple[str, ...]:
    """List the entity types of labels, in their order.

    Example:
        >>> types_of(["O", "B-SHIP", "I-SHIP", "B-DATE"])
        ('SHIP', 'DATE')
    """
    return tuple(dict.fromkeys(tag[2:] for tag in tags if tag != "O"))


def is_label(tag: str) -> bool:
    """Tell whether a label has the form O, B-TYPE or I-TYPE, of whatever type.

    Example:
        >>> [is_label(tag) for tag in ("O", "B-GPE", "S-LOC", "B-", "o")]
        [True, True, False, False, False]
    """
    return _LABEL.fullmatch(tag) is not None


@lru_cache(maxsize=4096)
def parse_tag(tag: str, form: Form = "prefix") -> tuple[str, str] | None:
    """Divide a label into its letter, one of O, B, I, E and S, and its type.

    Args:
        tag: label of any scheme.
        form: position of the letter.

    Returns:
        Letter and type, its white space replaced by ``_``; None if the label is not of the form.

    Example:
        >>> parse_tag("L-PER"), parse_tag("PER-B", "suffix"), parse_tag("phone number", "bare"), parse_tag("PER")
        (('E', 'PER'), ('B', 'PER'), ('I', 'phone_number'), None)
    """
    match = _FORMS[form].fullmatch(tag)
    if tag == "O" or match is None:
        return ("O", "") if tag == "O" else None
    parts = match.groupdict()
    return _MEANING[parts.get("letter", "I")], "_".join(parts.get("type", UNTYPED).split())


def join_tags(tags: Sequence[str]) -> str:
    """Label a word by the labels of its parts, in whatever scheme they are: with the first entity among them.

    Example:
        >>> join_tags(["O", "B-LOC"]), join_tags(["I-PER", "E-PER", "O"]), join_tags(["B-PER", "L-PER"])
        ('B-LOC', 'E-PER', 'U-PER')
    """
    named = [tag for tag in tags if tag not in ("O", "_", "-")]
    form = _form_of(named)
    parsed = [parse_tag(tag, form) or ("I", tag) for tag in named]
    part = [letter for letter, kind in parsed if kind == parsed[0][1]]
    if not part:
        return "O"
    if len(part) == 1 or part[-1] not in "ES":
        return named[0]
    last, place = named[len(part) - 1], -1 if form == "suffix" else 0
    if part[0] not in "BS":
        return last
    single = "U" if last[place] == "L" else "S"
    return last[:-1] + single if form == "suffix" else single + last[1:]


@dataclass(frozen=True)
class Scheme:
    """A label scheme.

    Attributes:
        name: ``"IOB2"``, ``"IOB1"``, ``"IOE1"``, ``"IOE2"``, ``"IOBES"`` or ``"IOBE"``; BILOU and BMES are IOBES of
            other letters, bare types are IOB1.
        form: position of the letter: ``"prefix"`` (B-PER), ``"suffix"`` (PER-B), ``"letter"`` (B, untyped) or
            ``"bare"`` (PER, no letter).
        title: common name, such as ``"BILOU"``.
    """

    name: str = "IOB2"
    form: Form = "prefix"
    title: str = "IOB2"

    def to_iob2(self, tags: Sequence[str]) -> list[str]:
        """Convert labels; an entity begins wherever none goes on, as conlleval has it; malformed labels stay.

        Example:
            >>> Scheme("IOBES").to_iob2(["B-PER", "E-PER", "S-LOC", "O", "I-ORG"])
            ['B-PER', 'I-PER', 'B-LOC', 'O', 'B-ORG']
        """
        converted, before = [], ("O", "")
        for tag in tags:
            letter, kind = parse_tag(tag, self.form) or ("O", "")
            begins = letter in "BS" or before[0] in "OES" or before[1] != kind
            converted.append(tag if letter == "O" else f"{'B' if begins else 'I'}-{kind}")
            before = letter, kind
        return converted

    def violation(self, tags: Sequence[str], lenient: bool = False) -> Violation | None:
        """Find the first label that is malformed or, unless lenient, may not follow the one before.

        Example:
            >>> Scheme().violation(["B-PER", "I-LOC"])
            Violation(position=1, reason="'I-LOC' follows 'B-PER', which IOB2 does not allow")
        """
        previous = "O"
        for position, tag in enumerate(tags):
            if parse_tag(tag, self.form) is None:
                return Violation(position, f"{tag!r} is no {self.title} label, such as O and {_SPELLED[self.form]}")
            if not (lenient or _allows(self.name, self.form, previous, tag)):
                return Violation(position, f"{tag!r} follows {previous!r}, which {self.title} does not allow")
            previous = tag
        if lenient or _allows(self.name, self.form, previous, "O"):
            return None
        return Violation(len(tags) - 1, f"the sentence ends with {previous!r}, which {self.title} does not allow")


@lru_cache(maxsize=65536)
def _allows(name: str, form: Form, previous: str, tag: str) -> bool:
    """Tell whether a scheme allows a label after another; a malformed label is never allowed."""
    before, after = parse_tag(previous, form), parse_tag(tag, form)
    if before is None or after is None:
        return False
    return _STEPS[name].fullmatch(f"{before[0]}{after[0]}{'=' if before[1] == after[1] else '!'}") is not None


def recognise(sentences: Iterable[Sequence[str]], types: Sequence[str] = ()) -> Scheme:
    """Find the scheme that labels follow, or the one they violate least.

    Args:
        sentences: labels of each sentence.
        types: known entity types: labels that are all among them are bare types.

    Raises:
        ValueError: if labels have no letters and none is O, as in a column of parts of speech.

    Example:
        >>> recognise([["B-PER", "L-PER", "O", "U-LOC"], ["O"]]).title
        'BILOU'
    """
    steps: Counter[tuple[str, str]] = Counter()
    found: set[str] = set()
    for tags in sentences:
        steps.update(zip(["O", *tags], [*tags, "O"], strict=True))
        found.update(tags)
    named = found - {"O"}
    are_known = bool(types) and named <= set(types)
    form = "bare" if are_known else _form_of(named)
    if form == "bare" and not are_known and "O" not in found:
        raise ValueError(f"expected labels such as O, B-PER and I-PER, found {', '.join(sorted(named)[:5])} and no O")
    faults = {name: sum(count for step, count in steps.items() if not _allows(name, form, *step)) for name in _STEPS}
    name = min(_STEPS, key=faults.__getitem__)
    letters = {tag[-1 if form == "suffix" else 0] for tag in named if parse_tag(tag, form)}
    return Scheme(name, form, _title(name, form, letters))


def _form_of(named: Iterable[str]) -> Form:
    """Find the form of labels other than O: that of all, else that of most, else bare."""
    forms: tuple[Form, ...] = ("prefix", "suffix", "letter")
    counts = {form: sum(parse_tag(tag, form) is not None for tag in named) for form in forms}
    best = max(forms, key=counts.__getitem__)
    return best if counts[best] or not named else "bare"


def _title(name: str, form: Form, letters: set[str]) -> str:
    if form == "bare" or not letters & set("BELMSUW"):
        return "IOB2" if not letters else "bare type" if form == "bare" else "IO"
    if letters & set("LU"):
        name = "BILOU" if name == "IOBES" else "BILO"
    elif letters & set("MW"):
        name = "BMES"
    return f"{name} suffix" if form == "suffix" else name


def violation(tags: Sequence[str]) -> Violation | None:
    """Find the first violation of IOB2, as `Scheme.violation`."""
    return Scheme().violation(tags)


def rename(tags: Sequence[str], type_map: Mapping[str, str]) -> list[str]:
    """Replace entity types; a type that becomes ``"O"`` is dropped.

    Example:
        >>> rename(["B-GPE", "I-GPE", "B-DATE", "B-PER"], {"GPE": "LOC", "DATE": "O"})
        ['B-LOC', 'I-LOC', 'O', 'B-PER']
    """
    new = {kind: type_map.get(kind, kind) for kind in {tag[2:] for tag in tags}}
    return [tag if tag == "O" else "O" if new[tag[2:]] == "O" else tag[:2] + new[tag[2:]] for tag in tags]


def entities(tags: Sequence[str]) -> list[Entity]:
    """List the mentions in IOB2 labels; an I- that continues nothing begins one, as in conlleval.

    Args:
        tags: labels; malformed ones count as O.

    Example:
        >>> entities(["B-PER", "I-PER", "B-PER", "O", "I-LOC"])
        [Entity(type='PER', start=0, stop=2), Entity(type='PER', start=2, stop=3), Entity(type='LOC', start=4, stop=5)]
    """
    found: list[Entity] = []
    start, kind = 0, ""
    for position, tag in enumerate([*tags, "O"]):
        if tag[:2] == "I-" and tag[2:] == kind:
            continue
        if kind:
            found.append(Entity(kind, start, position))
        start, kind = position, tag[2:] if tag != "O" and is_label(tag) else ""
    return found


@dataclass(frozen=True)
class LabelRules:
    """Conversion of the labels of files to those of the dataset.

    Attributes:
        scheme: of the files.
        repair: whether violations of the scheme are read as conlleval reads them, instead of being refused.
        type_map: entity types to rename; to ``"O"``, to drop.
        tags: labels of the dataset, in the order of their ids.
    """

    scheme: Scheme = Scheme()
    repair: bool = False
    type_map: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = TAGS

    def apply(self, sentence: Sentence, name: str) -> list[str]:
        """Convert the labels of a sentence to those of the dataset; raises as `convert` and `refuse_unknown`."""
        tags = self.convert(sentence, name)
        self.refuse_unknown({tag: f"{name}:{sentence.line_of(tags.index(tag))}" for tag in set(tags) - {*self.tags}})
        return tags

    def convert(self, sentence: Sentence, name: str) -> list[str]:
        """Convert the labels of a sentence to IOB2, of whatever types, renamed.

        Raises:
            ValueError: naming file and line, if there are no words, or a label violates the scheme.
        """
        if not sentence.tokens:
            where = f"{name}:{sentence.line - 1}"
            raise ValueError(f"{where}: no words follow IMGID:{sentence.image_id}; add them or take the line out.")
        wrong = self.scheme.violation(sentence.tags, lenient=self.repair)
        if wrong:
            is_malformed = parse_tag(sentence.tags[wrong.position], self.scheme.form) is None
            remedy = "" if is_malformed else ", or pass repair=True to begin an entity wherever none goes on"
            raise ValueError(f"{name}:{sentence.line_of(wrong.position)}: {wrong.reason}; correct it{remedy}.")
        tags = self.scheme.to_iob2(sentence.tags)
        return rename(tags, self.type_map) if self.type_map else tags

    def refuse_unknown(self, labels: Mapping[str, str]) -> None:
        """Refuse labels that the dataset has not.

        Args:
            labels: IOB2 labels, and the file and line of each.

        Raises:
            ValueError: naming the first of them, all their types, and the settings that keep, rename or drop these.
        """
        unknown = {tag: where for tag, where in labels.items() if tag not in self.tags}
        if not unknown:
            return
        types, (tag, where) = types_of(self.tags), next(iter(unknown.items()))
        new = [kind for kind in types_of(list(unknown)) if kind not in types]
        if not new:
            raise ValueError(f"{where}: the label {tag!r} is none of {', '.join(self.tags)}; add it to labels.")
        raise ValueError(
            f"{where}: {', '.join(map(repr, new))} is no entity type among {', '.join(types)}; pass "
            f"labels={[*types, *new]} to keep it, type_map={dict.fromkeys(new, types[-1])} to rename it, or "
            f"{dict.fromkeys(new, 'O')} to drop it."
        )


def tags_found(labels: Iterable[str]) -> tuple[str, ...]:
    """List the labels of a dataset by those found in its files: MMNERD's types first, then others by name.

    Example:
        >>> tags_found(["O", "I-SHIP", "B-LOC"])
        ('O', 'B-LOC', 'I-LOC', 'B-SHIP', 'I-SHIP')
    """
    types = set(types_of(list(labels)))
    return tags_of([kind for kind in TYPES if kind in types] + sorted(types - {*TYPES}))


def read_type_map(type_map: Any) -> dict[str, str]:
    """Check what entity types are to become.

    Args:
        type_map: ``{"GPE": "LOC", "DATE": "O"}``, or None for nothing.

    Raises:
        ValueError: if it is no mapping of names to names.

    Example:
        >>> read_type_map({"phone number": "PHONE"})
        {'phone_number': 'PHONE'}
    """
    given = {} if type_map is None else type_map
    if not isinstance(given, Mapping) or not all(isinstance(kind, str) for pair in given.items() for kind in pair):
        raise ValueError(
            f"Expected type_map to map entity types to types, or to 'O' to drop them, such as {{'GPE': 'LOC'}}; found "
            f"{type_map!r}."
        )
    return {"_".join(kind.split()): "_".join(new.split()) for kind, new in given.items()}


def read_labels(labels: Any) -> tuple[str, ...]:
    """Read the labels that a dataset is to have.

    Args:
        labels: entity types, ``["SHIP", "DATE"]``, each of which gets B- and I-; or all labels in the order of their
            ids, ``["O", "B-SHIP", "I-SHIP"]``, as a model has them. Of another scheme than IOB2, the types are taken.

    Raises:
        ValueError: if it is no list of names, one comes twice, or types and labels are mixed.

    Example:
        >>> read_labels(["SHIP"]) == read_labels(["O", "B-SHIP", "I-SHIP"]) == read_labels(["O", "S-SHIP", "E-SHIP"])
        True
    """
    named = isinstance(labels, Sequence) and not isinstance(labels, str) and len(labels) > 0
    if not named or not all(isinstance(name, str) and name.strip() == name != "" for name in labels):
        raise ValueError(f"Expected labels to list entity types, such as ['PERSON', 'DATE']; found {labels!r}.")
    if len(set(labels)) < len(labels):
        raise ValueError(f"Expected each label once, found {labels!r}.")
    kinds = [name for name in labels if name != "O"]
    form = _form_of(kinds)
    parsed = [parse_tag(name, form) for name in kinds]
    types = tuple(dict.fromkeys(pair[1] for pair in parsed if pair))
    if not types or not all(parsed) or (form != "bare" and "O" not in labels):
        raise ValueError(
            f"Expected labels to be entity types alone, such as ['DATE'], or all labels, such as "
            f"['O', 'B-DATE', 'I-DATE']; found {labels!r}."
        )
    return tuple(labels) if all(map(is_label, labels)) else tags_of(types)
