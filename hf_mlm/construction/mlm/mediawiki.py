"""The query module of a MediaWiki: many titles a request, continuation followed, titles traced through redirects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote_plus

from hf_mlm.construction.http import PoliteClient
from hf_mlm.construction.traffic import Answer


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
