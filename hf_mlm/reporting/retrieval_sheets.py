"""Retrieval sheets: a query and the five best answers from the other modality, the right one marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hf_mlm.reporting.html import Markup, data_uri, element


@dataclass(frozen=True)
class Item:
    """One place as a sheet shows it: ``image`` is a whole JPEG or PNG file, ``language`` that of ``text``."""

    label: str
    image: bytes
    text: str
    language: str = "en"


def image_to_texts(query: Item, answers: Sequence[Item], rank: int, right: int | None) -> Markup:
    """Show an image and the texts that it retrieved.

    Args:
        query: the place whose image asks.
        answers: the places whose texts came back, best first.
        rank: where the query's own text came, 1 for first.
        right: its position among ``answers``, ``None`` where it is not among them.
    """
    items = [
        _answer(element("p", answer.text, lang=answer.language), position, right)
        for position, answer in enumerate(answers)
    ]
    return _sheet(_picture(query, f"overhead image of {query.label}"), query, items, rank, "texts")


def text_to_images(query: Item, answers: Sequence[Item], rank: int, right: int | None) -> Markup:
    """Show a text and the images that it retrieved; arguments as in ``image_to_texts``."""
    items = [
        _answer(_picture(answer, f"overhead image of {answer.label}", answer.label), position, right)
        for position, answer in enumerate(answers)
    ]
    return _sheet(element("blockquote", query.text, lang=query.language), query, items, rank, "images")


def _sheet(asked: Markup, query: Item, items: Sequence[Markup], rank: int, kind: str) -> Markup:
    found = f"right answer at rank {rank}" if rank > 1 else "right answer first"
    heading = element("h4", query.label, element("span", found, class_="rank found" if rank <= len(items) else "rank"))
    return element(
        "article",
        heading,
        element("div", asked, class_="query"),
        element("ol", *items, class_=f"answers {kind}"),
        class_="sheet",
    )


def _answer(content: Markup, position: int, right: int | None) -> Markup:
    if position != right:
        return element("li", content)
    return element("li", content, element("span", "✓ right one", class_="tick-mark"), class_="right")


def _picture(item: Item, alternative: str, caption: str | None = None) -> Markup:
    media_type = "image/png" if item.image.startswith(b"\x89PNG") else "image/jpeg"
    image = element("img", src=data_uri(item.image, media_type), alt=alternative, width="128", height="128")
    return element("figure", image, element("figcaption", caption) if caption else None)
