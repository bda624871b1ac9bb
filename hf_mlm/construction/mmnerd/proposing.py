"""Rules that propose entities in German, of which no model of spaCy can be had from a package registry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml
from datatrove.data import Document

from hf_mlm.construction.mmnerd.build_config import NEREdition, load_label_map, mapped
from hf_mlm.construction.mmnerd.records import Record, Span, snap
from hf_mlm.construction.mmnerd.sources import is_placeholder
from hf_mlm.construction.stage import Block, batched, to_document
from hf_mlm.models.base.word_splitting import split_words


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


class Annotator(Protocol):
    """Finds entities.

    Attributes:
        name: and version, for the manifest.
    """

    name: str

    def __call__(self, texts: Sequence[str]) -> Iterator[list[Span]]:
        """Give the entities of each text, with labels of the annotator's own."""
        ...


class SpacyAnnotator:
    """A pipeline of spaCy with something that finds entities.

    Args:
        model: an installed model such as ``en_core_web_sm``, or the folder of one.

    Raises:
        ImportError: if spaCy is not installed.
        OSError: if there is no such model.
        ValueError: if nothing in it finds entities.
    """

    def __init__(self, model: str) -> None:
        try:
            import spacy
        except ImportError as error:
            raise ImportError(f"the annotator {model!r} needs spaCy: pip install spacy, or name a lexicon.") from error
        try:
            self._pipeline: Any = spacy.load(model)
        except OSError as error:
            raise OSError(
                f"spaCy has no model {model!r}: install it, name the folder of one, or name a lexicon instead."
            ) from error
        if not {"ner", "entity_ruler", "span_ruler"} & set(self._pipeline.pipe_names):
            parts = ", ".join(self._pipeline.pipe_names) or "nothing"
            raise ValueError(f"{model!r} does not find entities: it consists of {parts}; name another.")
        meta = self._pipeline.meta
        self.name = f"spaCy {spacy.__version__}, {meta['lang']}_{meta['name']} {meta['version']}"

    def __call__(self, texts: Sequence[str]) -> Iterator[list[Span]]:
        """Give the entities of each text."""
        for document in self._pipeline.pipe(texts):
            yield [Span(entity.start_char, entity.end_char, entity.label_) for entity in document.ents]


class RuleAnnotator:
    """Names of a lexicon and regular expressions; of overlapping finds the longest, then the first stays.

    A find is a proposal to people, so every occurrence of a name is one; nothing is carried from sentence to sentence.

    Args:
        names: name -> label; compared word by word, case and all.
        patterns: label -> regular expressions, whose group ``entity`` is the find where there is one.
        name: for the manifest.

    Raises:
        ValueError: if a pattern is no regular expression.

    Example:
        >>> annotate = RuleAnnotator({"New York": "GPE"}, {"CARDINAL": [r"[0-9]+"]})
        >>> list(annotate(["7 nights in New York"]))
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
            raise ValueError(f"{name}: {error.pattern!r} is no regular expression ({error}).") from error

    def __call__(self, texts: Sequence[str]) -> Iterator[list[Span]]:
        """Give the entities of each text."""
        for text in texts:
            finds = sorted([*self._named(text), *self._matched(text)], key=lambda span: (span.start - span.end, span))
            kept: list[Span] = []
            for find in finds:
                if not any(find.start < other.end and other.start < find.end for other in kept):
                    kept.append(find)
            yield sorted(kept)

    def _named(self, text: str) -> Iterator[Span]:
        words, places = split_words(text)
        for first in range(len(words)):
            for last in range(first, min(first + self._longest, len(words))):
                label = self._names.get(tuple(words[first : last + 1]))
                if label:
                    yield Span(places[first][0], places[last][1], label)

    def _matched(self, text: str) -> Iterator[Span]:
        for label, pattern in self._patterns:
            group: str | int = "entity" if "entity" in pattern.groupindex else 0
            for match in pattern.finditer(text):
                if match.end(group) > match.start(group):
                    yield Span(match.start(group), match.end(group), label)


def open_annotator(settings: Mapping[str, Any]) -> Annotator:
    """Make the annotator that an edition asks for.

    Args:
        settings: ``{"spacy": model}``, ``{"rules": file}`` or ``{"rules": "german"}``; a file of rules is YAML with
            ``names`` (name -> label) and ``patterns`` (label -> list of regular expressions).

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if the settings or the file are not as said; also as the annotators raise.
    """
    if set(settings) == {"spacy"}:
        return SpacyAnnotator(str(settings["spacy"]))
    if set(settings) != {"rules"}:
        raise ValueError(f"an annotator is 'spacy: MODEL' or 'rules: FILE', not {dict(settings)}.")
    path = Path(str(settings["rules"]))
    if str(path) == "german":
        return RuleAnnotator({}, GERMAN_RULES, "German rules")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file of rules {path}; give one, or 'german'.")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or set(content) - {"names", "patterns"}:
        raise ValueError(f"{path} has to hold 'names', a mapping, and 'patterns', lists by label.")
    return RuleAnnotator(content.get("names") or {}, content.get("patterns") or {}, f"rules {path.name}")


_AT_ONCE = 64  # sentences


class Propose(Block):
    """Has entities proposed in captions, and leaves out those with too few.

    Args:
        edition: of the build.
    """

    name = "propose"

    def __init__(self, edition: NEREdition) -> None:
        super().__init__()
        self.edition, self.label_map = edition, load_label_map(edition.label_map)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give sentences with their entities."""
        annotators: dict[str, Annotator] = {}
        for part in batched((document.metadata for document in data or ()), _AT_ONCE):
            for language in {row["language"] for row in part if row["proposed"]} - set(annotators):
                annotators[language] = open_annotator(self.edition.annotators[language])
                self.ledger.facts[f"annotator {language}"] = annotators[language].name
            finds = self._finds(part, annotators)
            for row in part:
                record = Record.from_row(row)
                if row["proposed"]:
                    record = self._with_proposals(record, finds[record.id])
                    if len(record.spans) < self.edition.min_entities:
                        self.drop(f"fewer than {self.edition.min_entities} entities proposed")
                        continue
                yield to_document(row | record.to_row())

    def _finds(self, rows: Sequence[dict[str, Any]], annotators: dict[str, Annotator]) -> dict[str, list[Span]]:
        finds: dict[str, list[Span]] = {}
        for language, annotator in annotators.items():
            own = [row for row in rows if row["proposed"] and row["language"] == language]
            spans = annotator([row["text"] for row in own])
            finds |= dict(zip((row["id"] for row in own), spans, strict=True))
        return finds

    def _with_proposals(self, record: Record, finds: Iterable[Span]) -> Record:
        named = [span._replace(label=kind) for span in finds if (kind := mapped(span.label, self.label_map))]
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
