"""What the page answers to an image, a text or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_mlm.app.highlight import named_in
from hf_mlm.app.neighbours import neighbours
from hf_mlm.app.opening import OpenModels
from hf_mlm.app.place import place
from hf_mlm.reporting.html import Markup, element


TOP_CELLS, TOP_NEIGHBOURS = 5, 6
HINT = "The answer appears here."
NOTHING = "There is nothing to look at yet: drop an image, write a text, or both."
UNREAD = "None of the models reads an image without a text: write a text as well."


def answer(models: OpenModels, image: bytes | None = None, text: str = "", classes: str = "") -> Markup:
    """Ask every model, and lay out what they say.

    Args:
        models: that are open.
        image: an encoded image.
        text: nothing if it is blank.
        classes: of the text, such as ``"city, port"``.

    Returns:
        One element. What is wrong with an image or a text is a sentence in it, not an exception.
    """
    query: dict[str, Any] = {} if image is None else {"image": image}
    query |= {"text": text.strip(), "classes": classes} if text.strip() else {}
    if not query:
        return said(NOTHING)
    try:
        sections = _sections(models, query)
    except (ValueError, OSError) as error:
        return element("div", element("p", str(error), class_="mistake", role="alert"), class_="answer")
    return element("div", *sections, class_="answer") if sections else said(UNREAD)


def said(sentence: str) -> Markup:
    """A sentence in the place of an answer."""
    return element("div", element("p", sentence, class_="hint"), class_="answer")


def _sections(models: OpenModels, query: Mapping[str, Any]) -> list[Markup]:
    """Place, entities and neighbours, as far as there is a model for them."""
    parts = {"image": ("image",), "text": ("text", "classes")}
    asked = {name: {key: query[key] for key in keys} for name, keys in parts.items() if name in query}
    estimate: dict[str, Any] = models.locate(dict(query), top_k=TOP_CELLS) if models.locate else {}
    found = {name: models.retrieve(part, top_k=TOP_NEIGHBOURS) for name, part in asked.items() if models.retrieve}
    sections = []
    if estimate:
        sections.append(place(estimate, [entity for entities in found.values() for entity in entities]))
    if models.tag and "text" in query:
        entities = models.tag({"text": query["text"], "image": query.get("image")})
        sections.append(named_in(query["text"], entities))
    return sections + [neighbours(name, entities, models.rows, estimate) for name, entities in found.items()]
