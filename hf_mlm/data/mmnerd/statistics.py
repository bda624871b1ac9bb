"""Counts of sentences, words and entities by language, split and source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hf_mlm.data.mmnerd.conll import Sentence
from hf_mlm.data.mmnerd.records import read_sentences
from hf_mlm.data.mmnerd.rows import named_sources, source_of
from hf_mlm.data.mmnerd.schemes import Scheme, entities, recognise


@dataclass(frozen=True, slots=True)
class Row:
    """A sentence, valid or not, and its origin.

    Attributes:
        sentence: tokens, labels, image id and line.
        language: of the sentence.
        split: of the sentence.
        file: path of the file.
    """

    sentence: Sentence
    language: str
    split: str
    file: str = ""

    @property
    def source(self) -> str:
        """Source: ``"cc12m"``, ``"twitter"``, one of a dataset of one's own, or ``""``."""
        image_id = self.sentence.image_id
        return named_sources(self.file).get(image_id or "", source_of(image_id) or "")

    @property
    def where(self) -> str:
        """File and line of the first word."""
        return f"{self.file}:{self.sentence.line}"

    def converted(self, scheme: Scheme) -> Row:
        """Convert the labels to IOB2."""
        return replace(self, sentence=replace(self.sentence, tags=scheme.to_iob2(self.sentence.tags)))

    @property
    def text(self) -> str:
        """The tokens, joined by spaces."""
        return " ".join(self.sentence.tokens)


def read_rows(files: Iterable[tuple[str, str, str]]) -> list[Row]:
    """Read files of (language, split, path) and convert their labels to IOB2; those of invalid sentences stay.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: naming file and line, if one cannot be divided into sentences.
    """
    rows = [
        Row(sentence, language, split, path) for language, split, path in files for sentence in read_sentences(path)[0]
    ]
    scheme = recognise(row.sentence.tags for row in rows)
    return [row if scheme.violation(row.sentence.tags) else row.converted(scheme) for row in rows]


@dataclass
class Statistics:
    """Counts over sentences of one language, split and source.

    The files of MMNERD label every occurrence of an annotated name, the figures of 2M-NER, Table 2, count annotated
    names: 41,172 mentions of the English training part are 38,908 there. ``unique`` comes close to the latter.

    Attributes:
        source: ``"cc12m"``, ``"twitter"``, ``""``, or ``"all"`` for several.
        longest: words of the longest sentence.
        mentions: entities by type.
        unique: the same, a name and type counting once a sentence.
    """

    language: str
    split: str
    source: str
    sentences: int = 0
    tokens: int = 0
    longest: int = 0
    without_entities: int = 0
    mentions: Counter[str] = field(default_factory=Counter)
    unique: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Count one sentence."""
        tokens = row.sentence.tokens
        found = [(item.type, tuple(tokens[item.start : item.stop])) for item in entities(row.sentence.tags)]
        self.sentences += 1
        self.tokens += len(tokens)
        self.longest = max(self.longest, len(tokens))
        self.without_entities += not found
        self.mentions.update(kind for kind, _ in found)
        self.unique.update(kind for kind, _ in set(found))


def statistics(rows: Iterable[Row]) -> list[Statistics]:
    """Count by language, split and source.

    Returns:
        in the order of first appearance; where a split has several sources, all of them together come last.
    """
    parts: dict[tuple[str, str], dict[str, Statistics]] = {}
    for row in rows:
        sources = parts.setdefault((row.language, row.split), {})
        sources.setdefault(row.source, Statistics(row.language, row.split, row.source)).add(row)
    listed: list[Statistics] = []
    for sources in parts.values():
        listed += sources.values()
        if len(sources) > 1:
            listed.append(_together(list(sources.values())))
    return listed


def _together(parts: list[Statistics]) -> Statistics:
    return Statistics(
        parts[0].language,
        parts[0].split,
        "all",
        sentences=sum(part.sentences for part in parts),
        tokens=sum(part.tokens for part in parts),
        longest=max(part.longest for part in parts),
        without_entities=sum(part.without_entities for part in parts),
        mentions=sum((part.mentions for part in parts), Counter()),
        unique=sum((part.unique for part in parts), Counter()),
    )
