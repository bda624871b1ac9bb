"""What a dataset's files cannot tell about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Description:
    """The part of card and Croissant that somebody has to say.

    Attributes:
        name: short name, of letters, digits, ``-`` and ``_``.
        title: heading of the card.
        summary: one or two sentences of Markdown.
        languages: ISO 639-1 codes.
        licences: name that the Hub has for a licence -> address of its text, or a sentence where there is none.
        citation: BibTeX.
        url: page of the dataset or of the software that made it.
        version: semantic version.
        date: of the sources, ISO 8601, where it is known.
        based_on: addresses of the sources.
        tasks: the Hub's task categories.
        tags: for search.
        sections: heading -> Markdown, in the order of the card; provenance, licences and limits have to be among them.
        responsible: property of Croissant's RAI vocabulary, such as ``"dataBiases"`` -> what there is to say.
    """

    name: str
    title: str
    summary: str
    languages: Sequence[str]
    licences: Mapping[str, str]
    citation: str
    url: str
    version: str
    date: str | None = None
    based_on: Sequence[str] = ()
    tasks: Sequence[str] = ()
    tags: Sequence[str] = ()
    sections: Mapping[str, str] = field(default_factory=dict)
    responsible: Mapping[str, str] = field(default_factory=dict)
