"""Introductions of Wikipedia and thumbnails of Commons, by MediaWiki's query API (MLM §3.2, §3.3.5)."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
from datatrove.data import Document
from PIL import Image

from hf_mlm.construction.http import GivenUpError, HttpSettings, PoliteClient, Request, Response, TooLargeError
from hf_mlm.construction.mlm.languages import domain_of
from hf_mlm.construction.stage import Block, Row, batched, to_document
from hf_mlm.data.checks import image_defect


MAX_LAG = 5  # seconds that the database may lag behind before the API turns us away
_COMMON = {"action": "query", "format": "json", "formatversion": "2", "maxlag": str(MAX_LAG)}
_LONGEST = 6000  # bytes of titles in an address, of which Wikimedia's servers take 8,192
_BUSY = ("maxlag", "ratelimited", "readonly", "internal_api_error")


class ApiError(ValueError):
    """A request that the API does not understand."""


@dataclass
class Pages:
    """Pages that a query found for titles.

    Attributes:
        by_title: final title -> page, as the API describes it.
        moves: title -> the title that stands for it, by normalisation or redirect.
        sections: titles that redirect to a section of another page.
    """

    by_title: dict[str, dict[str, Any]] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)
    sections: set[str] = field(default_factory=set)

    def find(self, title: str) -> tuple[dict[str, Any] | None, bool]:
        """The page that a title leads to, None if there is none; and true if it is a section of that page only."""
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
    """Query titles, following every continuation.

    Args:
        client: that asks.
        api: address of ``api.php``.
        titles: any number.
        parameters: of the query, such as ``prop``.
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
    """Divide titles among requests: characters beyond ASCII take up to twelve bytes each in an address."""
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
        request = Request("GET", api, {**parameters, **following}, partial(_is_final, api))
        content = json.loads(client.ask(request).content)
        yield content.get("query", {})
        following = content.get("continue")


def _is_final(api: str, response: Response) -> bool:
    """Tell whether a response is whole, and not "come back later"; raises for a refusal, which is not recorded."""
    if response.status != 200:
        raise ApiError(f"Expected pages of {api}, found status {response.status}: {response.content[:200]!r}.")
    try:
        error = json.loads(response.content).get("error", {})
        code, info = str(error.get("code", "")), error.get("info", error)
    except (ValueError, AttributeError):
        return False
    if error and not code.startswith(_BUSY):
        raise ApiError(f"Expected pages of {api}, found an error: {info}.")
    return not error


WIKIPEDIA = "https://{language}.wikipedia.org/w/api.php"
_EXTRACTS = 20  # introductions in a request
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
    """Fetches the introductions of the entities' articles from Wikipedia; entities without any are dropped."""

    name = "fetch summaries"

    def __init__(
        self, http: HttpSettings, languages: Sequence[str], min_characters: int = 1, api: str = WIKIPEDIA
    ) -> None:
        super().__init__()
        self.http, self.languages, self.min_characters, self.api = http, tuple(languages), min_characters, api

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give a row of summaries for each entity that has one."""
        self.ledger.facts["wikipedia"] = {"api": self.api, "query": _INTRODUCTIONS}
        client = PoliteClient(self.http)
        for part in batched((document.metadata for document in data or ()), _EXTRACTS):
            for row in self._rows(part, client):
                if any(row["summaries"].values()):
                    yield to_document(row)
                else:
                    self.drop("no summary")

    def _rows(self, entities: Sequence[Row], client: PoliteClient) -> list[Row]:
        rows: list[Row] = [{"id": entity["id"], "summaries": {}, "revisions": {}} for entity in entities]
        for language in self.languages:
            titles = [entity["sitelinks"][language] for entity in entities]
            asked = list(dict.fromkeys(filter(None, titles)))
            pages = query_pages(
                client, self.api.format(language=domain_of(language)), asked, _INTRODUCTIONS, _EXTRACTS
            )
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


COMMONS = "https://commons.wikimedia.org/w/api.php"
MOST_BYTES = 20_000_000  # of a thumbnail
_TITLES = 50  # titles in a request
_ENTITIES = 16
_METADATA = ("Artist", "LicenseShortName", "LicenseUrl", "Credit", "Categories")
_TEXTS = ("name", "mime", "author", "licence", "licence_url", "credit", "page", "sha1")
IMAGE_SCHEMA = pa.schema(
    {"id": pa.string(), "images": pa.list_(pa.struct({"bytes": pa.binary(), **dict.fromkeys(_TEXTS, pa.string())}))}
)


@dataclass(frozen=True)
class ImageRules:
    """Criteria of images; see `BuildConfig` for the fields.

    Example:
        >>> rules = ImageRules(330, 10, ("image/jpeg",), ("karte",), ("Maps of",))
        >>> rules.is_drawing("Karte von Bonn.png", ""), rules.is_drawing("Bonn.jpg", "Bonn|Maps of Bonn")
        (True, True)
        >>> rules.is_drawing("Kartenhaus.jpg", "Houses in Bonn")
        False
    """

    width: int
    most: int
    types: tuple[str, ...]
    words: tuple[str, ...]
    categories: tuple[str, ...]

    def is_drawing(self, name: str, categories: str) -> bool:
        """Tell whether a file is a map, a flag or a coat of arms, by its name or its categories, joined by ``|``."""
        words = "|".join(map(re.escape, self.words))
        spaced = re.sub(r"[\W_]+", " ", name)
        by_name = bool(words) and re.search(rf"\b(?:{words})\b", spaced, re.IGNORECASE) is not None
        return by_name or any(category.startswith(self.categories) for category in categories.split("|"))


class FetchImages(Block):
    """Fetches a thumbnail of each of the entities' files on Commons that is a photograph.

    An entity whose images are all dropped stays, with an empty list.
    """

    name = "fetch images"

    def __init__(self, http: HttpSettings, rules: ImageRules, api: str = COMMONS) -> None:
        super().__init__()
        self.http, self.rules, self.api = http, rules, api

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give a row of images for each entity."""
        self.ledger.facts["commons"] = {"api": self.api, "query": self._query()}
        client = PoliteClient(self.http)
        for part in batched((document.metadata for document in data or ()), _ENTITIES):
            names = list(dict.fromkeys(name for entity in part for name in entity["images"][: self.rules.most]))
            titles = [f"File:{name}" for name in names]
            pages = query_pages(client, self.api, titles, self._query(), _TITLES)
            for entity in part:
                self.drop("image beyond the limit", max(0, len(entity["images"]) - self.rules.most))
                yield to_document({"id": entity["id"], "images": list(self._images(entity, pages, client))})
        client.record_failures()

    def _query(self) -> dict[str, str]:
        return {
            "prop": "imageinfo",
            "iiprop": "url|size|mime|sha1|extmetadata",
            "iiurlwidth": str(self.rules.width),
            "iiextmetadatafilter": "|".join(_METADATA),
            "redirects": "1",
        }

    def _images(self, entity: Row, pages: Pages, client: PoliteClient) -> Iterator[Row]:
        for name in entity["images"][: self.rules.most]:
            page, _ = pages.find(f"File:{name}")
            info = None if page is None else (page.get("imageinfo") or [None])[0]
            reason = self._defect(name, info)
            content = b""
            if reason is None and info is not None:
                content, reason = _fetch(client, info.get("thumburl") or info["url"])
            if reason is None and info is not None:
                yield {"bytes": content, "name": name, "mime": _media_type(content), **_credits(info)}
            else:
                self.drop(f"image: {reason}")

    def _defect(self, name: str, info: dict[str, Any] | None) -> str | None:
        if info is None or "url" not in info:
            return "not on Commons"
        if info.get("mime") not in self.rules.types:
            return f"of type {info.get('mime')}"
        categories = _plain(info, "Categories") or ""
        return "a map, flag or coat of arms" if self.rules.is_drawing(name, categories) else None


def _is_image(url: str, response: Response) -> bool:
    """False for a damaged image, or a page in its stead; raises for a refusal, which would lose every image."""
    if response.status in (401, 403):
        raise ApiError(f"Expected an image, found status {response.status} at {url}: {response.content[:200]!r}.")
    return response.status != 200 or "readable" not in (image_defect(io.BytesIO(response.content)) or "")


def _fetch(client: PoliteClient, url: str) -> tuple[bytes, str | None]:
    """The bytes of an image, and its defect."""
    request = Request("GET", url, is_final=partial(_is_image, url), most_bytes=MOST_BYTES, optional=True)
    try:
        response = client.ask(request)
    except TooLargeError:
        return b"", f"larger than {MOST_BYTES:,} bytes"
    except GivenUpError as error:
        return b"", f"given up, {error}"
    if response.status != 200:
        return b"", f"status {response.status}"
    defect = image_defect(io.BytesIO(response.content))
    return (response.content, None) if defect is None else (b"", "unreadable" if "readable" in defect else "gigantic")


def _media_type(content: bytes) -> str:
    """Media type of an image; a thumbnail of a TIFF or an SVG is of another type than its original."""
    with Image.open(io.BytesIO(content)) as image:
        return Image.MIME[str(image.format)]


def _credits(info: dict[str, Any]) -> Row:
    """Author and licence, without the HTML that Commons puts around them."""
    named = {"author": "Artist", "licence": "LicenseShortName", "licence_url": "LicenseUrl", "credit": "Credit"}
    texts = {name: _plain(info, key) for name, key in named.items()}
    return texts | {"page": info.get("descriptionurl"), "sha1": info.get("sha1")}


def _plain(info: dict[str, Any], key: str) -> str | None:
    value = (info.get("extmetadata") or {}).get(key, {}).get("value")
    if value is None:
        return None
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", str(value))).split()) or None
