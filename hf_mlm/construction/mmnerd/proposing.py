"""Pre-annotation: entities that a spaCy pipeline, or names and patterns, propose in captions (2M-NER §4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from datatrove.data import Document

from hf_mlm.construction.executors import read_mapping
from hf_mlm.construction.mmnerd.records import Record, Span, snap
from hf_mlm.construction.mmnerd.sources import is_placeholder
from hf_mlm.construction.stage import Block, batched, to_document
from hf_mlm.data.mmnerd.schemes import TYPES
from hf_mlm.data.words import split_words


REST = "*"  # every label that a map does not name
DROPPED = "O"
# "paper" takes 2M-NER literally: all but PER, LOC and ORG becomes MISC, so spaCy's GPE (cities, countries), too.
LABEL_MAPS: dict[str, dict[str, str]] = {
    "paper": {"PER": "PER", "PERSON": "PER", "LOC": "LOC", "ORG": "ORG", REST: "MISC"},
    "gpe_as_loc": {"PER": "PER", "PERSON": "PER", "LOC": "LOC", "GPE": "LOC", "ORG": "ORG", REST: "MISC"},
}


def load_label_map(name: str) -> dict[str, str]:
    """Look up a label map, or read one from a YAML file.

    Args:
        name: ``"paper"``, ``"gpe_as_loc"``, or a file that maps labels to PER, LOC, ORG, MISC or O (dropped), with
            ``"*"`` for all others.

    Raises:
        FileNotFoundError: if it is neither.
        ValueError: if the file is no such map.

    Example:
        >>> load_label_map("gpe_as_loc")["GPE"]
        'LOC'
    """
    if name in LABEL_MAPS:
        return LABEL_MAPS[name]
    if not Path(name).is_file():
        raise FileNotFoundError(f"Expected a file or one of {', '.join(LABEL_MAPS)}, found label_map={name!r}.")
    content = read_mapping(Path(name), "GPE: LOC")
    wrong = sorted(set(map(str, content.values())) - {*TYPES, DROPPED})
    if wrong:
        raise ValueError(f"Expected labels mapped to {', '.join(TYPES)} or {DROPPED} in {name}, found {wrong[0]!r}.")
    return {str(label): kind for label, kind in content.items()}


def mapped(label: str, label_map: Mapping[str, str]) -> str | None:
    """Map a label to a type; None where it is dropped, or the map has neither it nor all others.

    Example:
        >>> [mapped(label, LABEL_MAPS["paper"]) for label in ("PERSON", "GPE")]
        ['PER', 'MISC']
    """
    kind = label_map.get(label, label_map.get(REST, DROPPED))
    return None if kind == DROPPED else kind


_NAME = r"[A-ZÄÖÜ][\w\u00df-]+"
_MONTH = "Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
_LAND = "Nord|Süd|Ost|West|Mittel|Zentral"
GERMAN_RULES: dict[str, tuple[str, ...]] = {
    "PER": (
        rf"\b(?:(?:Herrn?|Frau|Dr\.|Prof\.|Präsident(?:in)?|Kanzler(?:in)?|König(?:in)?|Papst)\s+)+"
        rf"(?P<entity>{_NAME}(?:\s(?:von|van|zu|de)\b)?(?:\s{_NAME})?)",
    ),
    "ORG": (
        rf"\b{_NAME}(?:\s(?:&\s)?{_NAME})*\s(?:GmbH|AG|KG|SE|e\.V\.)",
        rf"\b(?:Universität|Hochschule|Ministerium|Bank)\s(?:von\s|für\s)?{_NAME}",
        r"\b(?:FC|SV|VfB|VfL|TSV|TSG)\s" + _NAME,
    ),
    "LOC": (
        rf"\b(?:in|aus|nach|bei)\s(?P<entity>(?:{_LAND})?{_NAME}(?:land|burg|berg|stadt|heim|furt|dorf|hausen|münde))\b",
        r"\b[A-ZÄÖÜ]\w+(?:straße|platz|allee|see|gebirge)\b",
    ),
    "DATE": (
        rf"\b\d{{1,2}}\.\s(?:{_MONTH})(?:\s\d{{4}})?\b",
        rf"\b(?:{_MONTH})\s\d{{4}}\b",
        r"\b(?:1[0-9]|20)\d{2}\b",
    ),
    "CARDINAL": (r"\b\d+(?:[.,]\d+)*\b",),
}


class PreAnnotator(Protocol):
    """Proposes entities.

    Attributes:
        name: and version, for the manifest.
    """

    name: str

    def __call__(self, texts: Sequence[str]) -> Iterator[list[Span]]:
        """Give the entities of each text, with labels of the pre-annotator's own."""
        ...


class SpacyPreAnnotator:
    """A spaCy pipeline with a component that finds entities.

    Args:
        model: an installed model such as ``en_core_web_sm``, or the folder of one.

    Raises:
        ImportError: if spaCy is not installed.
        OSError: if there is no such model.
        ValueError: if no component of it finds entities.
    """

    def __init__(self, model: str) -> None:
        try:
            import spacy
        except ImportError as error:
            raise ImportError(
                f"Expected spaCy for the pre-annotator {model!r}, found it missing: pip install spacy, or use 'rules'."
            ) from error
        try:
            self._pipeline: Any = spacy.load(model)
        except OSError as error:
            raise OSError(
                f"Expected a spaCy model, found none named {model!r}; install it, or use 'rules'."
            ) from error
        if not {"ner", "entity_ruler", "span_ruler"} & set(self._pipeline.pipe_names):
            parts = ", ".join(self._pipeline.pipe_names) or "nothing"
            raise ValueError(f"Expected a component that finds entities in {model!r}, found {parts}; name another.")
        meta = self._pipeline.meta
        self.name = f"spaCy {spacy.__version__}, {meta['lang']}_{meta['name']} {meta['version']}"

    def __call__(self, texts: Sequence[str]) -> Iterator[list[Span]]:
        """Give the entities of each text."""
        for document in self._pipeline.pipe(texts):
            yield [Span(entity.start_char, entity.end_char, entity.label_) for entity in document.ents]


class RulePreAnnotator:
    """A lexicon of names and regular expressions; of overlapping matches the longest, then the first stays.

    A match is a proposal to people, so every occurrence of a name is one; no sentence influences another.

    Args:
        names: name -> label; compared word by word, case-sensitively.
        patterns: label -> regular expressions, whose group ``entity`` is the entity where there is one.
        name: for the manifest.

    Raises:
        ValueError: if a pattern is no regular expression.

    Example:
        >>> propose = RulePreAnnotator({"New York": "GPE"}, {"CARDINAL": [r"[0-9]+"]})
        >>> list(propose(["7 nights in New York"]))
        [[Span(start=0, end=1, label='CARDINAL'), Span(start=12, end=20, label='GPE')]]
    """

    def __init__(
        self, names: Mapping[str, str], patterns: Mapping[str, Sequence[str]] | None = None, name: str = "rules"
    ) -> None:
        self.name = name
        self._names = {tuple(split_words(surface)[0]): label for surface, label in names.items()}
        self._longest = max(map(len, self._names), default=0)
        try:
            self._patterns = [
                (label, re.compile(pattern)) for label, listed in (patterns or {}).items() for pattern in listed
            ]
        except re.error as error:
            raise ValueError(f"Expected regular expressions in {name}, found {error.pattern!r} ({error}).") from error

    def __call__(self, texts: Sequence[str]) -> Iterator[list[Span]]:
        """Give the entities of each text."""
        for text in texts:
            matches = sorted(
                [*self._named(text), *self._matched(text)], key=lambda span: (span.start - span.end, span)
            )
            kept: list[Span] = []
            for match in matches:
                if not any(match.start < other.end and other.start < match.end for other in kept):
                    kept.append(match)
            yield sorted(kept)

    def _named(self, text: str) -> Iterator[Span]:
        words, offsets = split_words(text)
        for first in range(len(words)):
            for last in range(first, min(first + self._longest, len(words))):
                label = self._names.get(tuple(words[first : last + 1]))
                if label:
                    yield Span(offsets[first][0], offsets[last][1], label)

    def _matched(self, text: str) -> Iterator[Span]:
        for label, pattern in self._patterns:
            group: str | int = "entity" if "entity" in pattern.groupindex else 0
            for match in pattern.finditer(text):
                if match.end(group) > match.start(group):
                    yield Span(match.start(group), match.end(group), label)


def open_pre_annotator(settings: Mapping[str, Any]) -> PreAnnotator:
    """Open the pre-annotator that a build config asks for.

    Args:
        settings: ``{"spacy": model}``, ``{"rules": file}`` or ``{"rules": "german"}``; a file of rules is YAML with
            ``names`` (name -> label) and ``patterns`` (label -> list of regular expressions).

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if the settings or the file are others; also as the pre-annotators raise.
    """
    if set(settings) == {"spacy"}:
        return SpacyPreAnnotator(str(settings["spacy"]))
    if set(settings) != {"rules"}:
        raise ValueError(f"Expected a pre-annotator 'spacy: MODEL' or 'rules: FILE', found {dict(settings)}.")
    path = Path(str(settings["rules"]))
    if str(path) == "german":
        return RulePreAnnotator({}, GERMAN_RULES, "German rules")
    content = read_mapping(path, "names: {Rome: GPE}")
    if set(content) - {"names", "patterns"}:
        raise ValueError(f"Expected 'names' and 'patterns' in {path}, found {', '.join(map(repr, content))}.")
    return RulePreAnnotator(content.get("names") or {}, content.get("patterns") or {}, f"rules {path.name}")


_AT_ONCE = 64  # sentences


class Propose(Block):
    """Proposes entities in captions, and drops captions with too few."""

    name = "propose"

    def __init__(self, pre_annotators: Mapping[str, Mapping[str, str]], label_map: str, min_entities: int) -> None:
        super().__init__()
        self.pre_annotators, self.min_entities = dict(pre_annotators), min_entities
        self.label_map = load_label_map(label_map)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give sentences with their entities."""
        opened: dict[str, PreAnnotator] = {}
        for part in batched((document.metadata for document in data or ()), _AT_ONCE):
            for language in {row["language"] for row in part if row["proposed"]} - set(opened):
                opened[language] = open_pre_annotator(self.pre_annotators[language])
                self.ledger.facts[f"pre-annotator {language}"] = opened[language].name
            found = self._found(part, opened)
            for row in part:
                record = Record.from_row(row)
                if row["proposed"]:
                    record = self._with_proposals(record, found[record.id])
                    if len(record.spans) < self.min_entities:
                        self.drop(f"fewer than {self.min_entities} entities proposed")
                        continue
                yield to_document(row | record.to_row())

    def _found(self, rows: Sequence[dict[str, Any]], opened: dict[str, PreAnnotator]) -> dict[str, list[Span]]:
        found: dict[str, list[Span]] = {}
        for language, propose in opened.items():
            own = [row for row in rows if row["proposed"] and row["language"] == language]
            spans = propose([row["text"] for row in own])
            found |= dict(zip((row["id"] for row in own), spans, strict=True))
        return found

    def _with_proposals(self, record: Record, found: Iterable[Span]) -> Record:
        named = [span._replace(label=kind) for span in found if (kind := mapped(span.label, self.label_map))]
        kept = [span for span in named if not is_placeholder(record.text, span.start, span.end)]
        snapped = snap(record.words, kept)
        counts = {
            "proposal on a placeholder, left out": len(named) - len(kept),
            "proposal widened to whole words": snapped.moved,
            "proposal overlapping a longer one, left out": snapped.lost,
        }
        for what, count in counts.items():
            self.note(what, count)
        return record.with_spans(snapped.spans)
