"""The query module of a MediaWiki: many titles a request, continuation followed, titles traced through redirects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
from datatrove.data import Document

from hf_mlm.construction.http import Answer, HttpSettings, PoliteClient
from hf_mlm.construction.stage import Block, Row, batched, to_document


MAX_LAG = 5  # seconds that the database may lag behind before the API turns us away
_COMMON = {"action": "query", "format": "json", "formatversion": "2", "maxlag": str(MAX_LAG)}
_LONGEST = 6000  # bytes of titles in an address, of which Wikimedia's servers take 8,192
_BUSY = ("maxlag", "ratelimited", "readonly", "internal_api_error")


class ApiError(ValueError):
    """A request that the API does not understand."""


@dataclass
class Pages:
    """What a query says about titles.

    Attributes:
        by_title: final title -> page, as the API describes it.
        moves: title -> the title that stands for it, by normalisation or redirect.
        sections: titles that redirect to a section of another page.
    """

    by_title: dict[str, dict[str, Any]] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)
    sections: set[str] = field(default_factory=set)

    def find(self, title: str) -> tuple[dict[str, Any] | None, bool]:
        """The page that a title leads to, None if there is none; and whether it is a section of it only."""
        seen, is_section = {title}, False
        while title in self.moves and self.moves[title] not in seen:
            is_section |= title in self.sections
            title = self.moves[title]
            seen.add(title)
        page = self.by_title.get(title)
        gone = page is None or page.get("missing") or page.get("invalid")
        return None if gone else page, is_section

    def add(self, query: Mapping[str, Any]) -> None:
        """Merge the answer to one request; a page's properties may come over several."""
        for move in (*query.get("normalized", ()), *query.get("redirects", ())):
            self.moves[move["from"]] = move["to"]
            if move.get("tofragment"):
                self.sections.add(move["from"])
        for page in query.get("pages", ()):
            merged = self.by_title.setdefault(page["title"], {})
            for name, value in page.items():
                merged[name] = merged.get(name, []) + value if isinstance(value, list) else value


def query_pages(
    client: PoliteClient, api: str, titles: Sequence[str], parameters: Mapping[str, str], at_once: int
) -> Pages:
    """Ask about titles until the API has said everything.

    Args:
        client: that asks.
        api: address of ``api.php``.
        titles: any number.
        parameters: which properties.
        at_once: titles in a request: 50, but 20 for introductions.

    Raises:
        ApiError: if the API refuses the request.
        UnavailableError: if it does not answer.
    """
    pages = Pages()
    for part in _parts(titles, at_once):
        named = {**_COMMON, **parameters, "titles": "|".join(part)}
        for query in _continued(client, api, named):
            pages.add(query)
    return pages


def _parts(titles: Sequence[str], at_once: int) -> Iterator[list[str]]:
    """Titles by requests: signs beyond ASCII take up to twelve bytes each in an address."""
    part: list[str] = []
    size = 0
    for title in titles:
        length = len(quote_plus(title)) + len("%7C")
        if part and (len(part) == at_once or size + length > _LONGEST):
            yield part
            part, size = [], 0
        part.append(title)
        size += length
    if part:
        yield part


def _continued(client: PoliteClient, api: str, parameters: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    following: dict[str, str] | None = {}
    while following is not None:
        content = json.loads(client.get(api, {**parameters, **following}, is_final=partial(_is_final, api)).content)
        yield content.get("query", {})
        following = content.get("continue")


def _is_final(api: str, answer: Answer) -> bool:
    """Whether an answer is whole, and not "come back later"; what is refused is an error, and not recorded."""
    if answer.status != 200:
        raise ApiError(f"{api} refuses a query (status {answer.status}): {answer.content[:200]!r}")
    try:
        error = json.loads(answer.content).get("error", {})
        code, info = str(error.get("code", "")), error.get("info", error)
    except (ValueError, AttributeError):
        return False
    if error and not code.startswith(_BUSY):
        raise ApiError(f"{api} refuses a query: {info}")
    return not error


WIKIPEDIA = "https://{language}.wikipedia.org/w/api.php"
_AT_ONCE = 20  # introductions in a request
_INTRODUCTIONS = {
    "prop": "extracts|revisions",
    "exintro": "1",
    "explaintext": "1",
    "exlimit": "max",
    "rvprop": "ids",
    "redirects": "1",
}


def summary_schema(languages: Sequence[str]) -> pa.Schema:
    """Arrow schema of summaries, with the revision of the article that each was taken from."""
    texts = pa.struct(dict.fromkeys(languages, pa.string()))
    return pa.schema(
        {"id": pa.string(), "summaries": texts, "revisions": pa.struct(dict.fromkeys(languages, pa.int64()))}
    )


class FetchSummaries(Block):
    """Asks Wikipedia for the introductions of the places' articles; places without any go.

    Args:
        http: how to ask.
        languages: of the summaries.
        min_characters: a shorter one counts as none.
        api: address of ``api.php``, with ``{language}`` in it.
    """

    name = "fetch summaries"

    def __init__(
        self, http: HttpSettings, languages: Sequence[str], min_characters: int = 1, api: str = WIKIPEDIA
    ) -> None:
        super().__init__()
        self.http, self.languages, self.min_characters, self.api = http, tuple(languages), min_characters, api

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give a row of summaries for each place that has one."""
        self.ledger.facts["wikipedia"] = {"api": self.api, "query": _INTRODUCTIONS}
        client = PoliteClient(self.http)
        for part in batched((document.metadata for document in data or ()), _AT_ONCE):
            for row in self._rows(part, client):
                if any(row["summaries"].values()):
                    yield to_document(row)
                else:
                    self.drop("no summary")

    def _rows(self, places: Sequence[Row], client: PoliteClient) -> list[Row]:
        rows: list[Row] = [{"id": place["id"], "summaries": {}, "revisions": {}} for place in places]
        for language in self.languages:
            titles = [place["sitelinks"][language] for place in places]
            asked = list(dict.fromkeys(filter(None, titles)))
            pages = query_pages(client, self.api.format(language=language), asked, _INTRODUCTIONS, _AT_ONCE)
            for row, title in zip(rows, titles, strict=True):
                page, is_section = pages.find(title) if title else (None, False)
                text, revision = self._summary(page, is_section, language) if title else (None, None)
                row["summaries"][language], row["revisions"][language] = text, revision
        return rows

    def _summary(self, page: Row | None, is_section: bool, language: str) -> tuple[str | None, int | None]:
        if page is None:
            self.note(f"missing article ({language})")
            return None, None
        if is_section:
            self.note(f"article is a section of another ({language})")
            return None, None
        text = (page.get("extract") or "").strip()
        if len(text) < self.min_characters:
            self.note(f"empty summary ({language})")
            return None, None
        revisions = page.get("revisions") or [{}]
        return text, revisions[0].get("revid")
