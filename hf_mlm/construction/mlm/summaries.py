"""Introductions of Wikipedia articles in every language of an edition (MLM §3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
from datatrove.data import Document

from hf_mlm.construction.batches import batched
from hf_mlm.construction.http import HttpSettings, PoliteClient
from hf_mlm.construction.mlm.mediawiki import query_pages
from hf_mlm.construction.stage import Block, Row, to_document


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
