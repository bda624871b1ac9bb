"""Thumbnails from Wikimedia Commons, with author and licence of each (MLM §3.2, §3.3.5)."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
from datatrove.data import Document

from hf_mlm.construction.http import Answer, HttpSettings, PoliteClient, TooLargeError
from hf_mlm.construction.mlm.build_config import Edition
from hf_mlm.construction.mlm.summaries import ApiError, Pages, query_pages
from hf_mlm.construction.stage import Block, Row, batched, to_document
from hf_mlm.data.images import image_defect


COMMONS = "https://commons.wikimedia.org/w/api.php"
MOST_BYTES = 20_000_000  # of a thumbnail
_AT_ONCE = 50  # titles in a request
_PLACES = 16
_METADATA = ("Artist", "LicenseShortName", "LicenseUrl", "Credit", "Categories")

_TEXTS = ("name", "mime", "author", "licence", "licence_url", "credit", "page", "sha1")
IMAGE_SCHEMA = pa.schema(
    {"id": pa.string(), "images": pa.list_(pa.struct({"bytes": pa.binary(), **dict.fromkeys(_TEXTS, pa.string())}))}
)


@dataclass(frozen=True)
class ImageRules:
    """Which images are taken; see `Edition` for the fields.

    Example:
        >>> rules = ImageRules.of(Edition())
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

    @classmethod
    def of(cls, edition: Edition) -> ImageRules:
        """The rules of an edition."""
        kinds = edition.image_types, edition.drawing_words, edition.drawing_categories
        return cls(edition.thumbnail_width, edition.images_per_entity, *kinds)

    def is_drawing(self, name: str, categories: str) -> bool:
        """Whether a file is a map, a flag or a coat of arms, by its name or its categories, joined by ``|``."""
        words = "|".join(map(re.escape, self.words))
        spaced = re.sub(r"[\W_]+", " ", name)
        by_name = bool(words) and re.search(rf"\b(?:{words})\b", spaced, re.IGNORECASE) is not None
        return by_name or any(category.startswith(self.categories) for category in categories.split("|"))


class FetchImages(Block):
    """Asks Commons about the places' files, and fetches a thumbnail of each that is a photograph.

    A place whose images all go stays, with an empty list.

    Args:
        http: how to ask.
        rules: which images are taken.
        api: address of ``api.php``.
    """

    name = "fetch images"

    def __init__(self, http: HttpSettings, rules: ImageRules, api: str = COMMONS) -> None:
        super().__init__()
        self.http, self.rules, self.api = http, rules, api

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give a row of images for each place."""
        self.ledger.facts["commons"] = {"api": self.api, "query": self._query()}
        client = PoliteClient(self.http)
        for part in batched((document.metadata for document in data or ()), _PLACES):
            names = list(dict.fromkeys(name for place in part for name in place["images"][: self.rules.most]))
            titles = [f"File:{name}" for name in names]
            pages = query_pages(client, self.api, titles, self._query(), _AT_ONCE)
            for place in part:
                self.drop("image beyond the limit", max(0, len(place["images"]) - self.rules.most))
                yield to_document({"id": place["id"], "images": list(self._images(place, pages, client))})

    def _query(self) -> dict[str, str]:
        return {
            "prop": "imageinfo",
            "iiprop": "url|size|mime|sha1|extmetadata",
            "iiurlwidth": str(self.rules.width),
            "iiextmetadatafilter": "|".join(_METADATA),
            "redirects": "1",
        }

    def _images(self, place: Row, pages: Pages, client: PoliteClient) -> Iterator[Row]:
        for name in place["images"][: self.rules.most]:
            page, _ = pages.find(f"File:{name}")
            info = None if page is None else (page.get("imageinfo") or [None])[0]
            reason = self._defect(name, info)
            content = b""
            if reason is None and info is not None:
                content, reason = _fetch(client, info.get("thumburl") or info["url"])
            if reason is None and info is not None:
                yield {"bytes": content, "name": name, **_credits(info)}
            else:
                self.drop(f"image: {reason}")

    def _defect(self, name: str, info: dict[str, Any] | None) -> str | None:
        if info is None or "url" not in info:
            return "not on Commons"
        if info.get("mime") not in self.rules.types:
            return f"of type {info.get('mime')}"
        categories = _plain(info, "Categories") or ""
        return "a map, flag or coat of arms" if self.rules.is_drawing(name, categories) else None


def _is_final(url: str, answer: Answer) -> bool:
    """Yes, but whom the server turns away would lose every image: that is an error, and not recorded."""
    if answer.status in (401, 403):
        raise ApiError(f"{url} is refused to us (status {answer.status}): {answer.content[:200]!r}")
    return True


def _fetch(client: PoliteClient, url: str) -> tuple[bytes, str | None]:
    """The bytes of an image, and what is wrong with it."""
    try:
        answer = client.get(url, is_final=partial(_is_final, url), most_bytes=MOST_BYTES)
    except TooLargeError:
        return b"", f"larger than {MOST_BYTES:,} bytes"
    if answer.status != 200:
        return b"", f"status {answer.status}"
    if not answer.content:
        return b"", "of 0 bytes"
    defect = image_defect(io.BytesIO(answer.content))
    if defect is None:
        return answer.content, None
    return b"", "unreadable" if "readable" in defect else "gigantic"


def _credits(info: dict[str, Any]) -> Row:
    """Author and licence, without the HTML that Commons puts around them."""
    named = {"author": "Artist", "licence": "LicenseShortName", "licence_url": "LicenseUrl", "credit": "Credit"}
    texts = {name: _plain(info, key) for name, key in named.items()}
    return texts | {"mime": info["mime"], "page": info.get("descriptionurl"), "sha1": info.get("sha1")}


def _plain(info: dict[str, Any], key: str) -> str | None:
    value = (info.get("extmetadata") or {}).get(key, {}).get("value")
    if value is None:
        return None
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", str(value))).split()) or None
