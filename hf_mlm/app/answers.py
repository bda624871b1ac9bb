"""Entities marked in their text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset
from PIL import Image

from hf_mlm.app.maps import estimate_map
from hf_mlm.app.opening import OpenModels
from hf_mlm.drawing.html import Markup, data_uri, element
from hf_mlm.drawing.maps import Region, Window
from hf_mlm.geo.coordinates import position_of
from hf_mlm.geo.distance import great_circle_distance


def highlighted(text: str, entities: Sequence[Mapping[str, Any]]) -> Markup:
    """Mark entities in their text.

    Args:
        text: as the tagger got it.
        entities: of the pipeline ``multimodal-ner``, in the order of the text.

    Example:
        >>> found = [{"entity_group": "LOC", "score": 0.9, "start": 3, "end": 7}]
        >>> highlighted("in Rome!", found)
        '<p class="text" dir="auto">in <mark class="loc" title="90%">Rome<span>LOC</span></mark>!</p>'
    """
    parts: list[str] = []
    end = 0
    for entity in entities:
        kind, marked = entity["entity_group"], text[entity["start"] : entity["end"]]
        score = f"{entity['score']:.0%}"
        parts += [text[end : entity["start"]]]
        parts += [element("mark", marked, element("span", kind), class_=kind.lower(), title=score)]
        end = entity["end"]
    return element("p", *parts, text[end:], class_="text", dir="auto")


def named_in(text: str, entities: Sequence[Mapping[str, Any]]) -> Markup:
    """The section on a text: the text with its entities, or that there are none."""
    none = None if entities else element("p", "No entity was found.", class_="quiet")
    return element("section", element("h2", "Named in the text"), highlighted(text, entities), none)


NO_MAP = "The model has no map of its cells: it tells which cell, not where."


def place(estimate: Mapping[str, Any], neighbours: Sequence[Mapping[str, Any]]) -> Markup:
    """Lay out an estimate.

    Args:
        estimate: of the pipeline ``geo-estimation``.
        neighbours: of ``cross-modal-retrieval``, marked on the maps where their places are known.
    """
    heading = element("h2", "Where")
    if estimate["latitude"] is None:
        return element("section", heading, element("p", NO_MAP, class_="quiet"), _cells(estimate["cells"]))
    position, radius = position_of(estimate["latitude"], estimate["longitude"]), estimate["radius_km"]
    source = " and the ".join(estimate["modalities"])
    said = f"half of the probability lies within {radius:,.0f} km, judging by the {source}"
    world = estimate_map(estimate, neighbours, Window(), f"Estimate: {position}; {said}.")
    near = _near(estimate, neighbours, position)
    return element(
        "section",
        heading,
        element("p", element("b", position), " ", element("span", said), class_="place"),
        element("figure", world, class_="world"),
        _legend(any(entity.get("latitude") is not None for entity in neighbours)),
        element("div", near, _cells(estimate["cells"]), class_="near" if near else "near alone"),
    )


def _near(estimate: Mapping[str, Any], neighbours: Sequence[Mapping[str, Any]], position: str) -> Markup | None:
    """A map of the surroundings, unless the circle is as good as the world."""
    region = Region.around(estimate["latitude"], estimate["longitude"], estimate["radius_km"])
    if region is None:
        return None
    return element("figure", estimate_map(estimate, neighbours, region, f"The surroundings of {position}"))


def _cells(cells: Sequence[Mapping[str, Any]]) -> Markup:
    """The likeliest cells, each with a bar."""
    rows = []
    for cell in cells:
        name, share = cell["token"] or str(cell["cell"]), cell["probability"]
        where = name if cell["latitude"] is None else position_of(cell["latitude"], cell["longitude"])
        bar = element("span", class_="bar", style=f"width: {100 * share:.1f}%")
        figures = element("span", where), element("span", f"{share:.0%}", class_="share")
        rows.append(element("li", *figures, bar, title=f"cell {name}"))
    return element("div", element("h3", "Likeliest cells"), element("ol", *rows, class_="cells"))


def _legend(neighbours: bool) -> Markup:
    names = {"estimate": "estimate", "radius": "half of the probability", "cell": "likeliest cells"}
    names |= {"neighbour": "nearest in the gallery"} if neighbours else {}
    return element("ul", *(element("li", text, class_=name) for name, text in names.items()), class_="legend")


THUMBNAIL = 192  # pixels
PLACE = ("latitude", "longitude")


def neighbours(
    asked: str, found: Sequence[Mapping[str, Any]], rows: Dataset | None, estimate: Mapping[str, Any]
) -> Markup:
    """Lay out what the gallery gave.

    Args:
        asked: ``"image"`` or ``"text"``.
        found: of the pipeline ``cross-modal-retrieval``, at least one.
        rows: that the gallery was made of, for their images and summaries; None where they are not at hand.
        estimate: of the same query, from which distances are told; may be empty.
    """
    kind = found[0]["modality"]
    cards = [_card(entity, rows, estimate) for entity in found]
    title = f"{kind.capitalize()}s that go with the {asked}"
    return element("section", element("h2", title), element("ol", *cards, class_=f"cards {kind}s"))


def _card(entity: Mapping[str, Any], rows: Dataset | None, estimate: Mapping[str, Any]) -> Markup:
    """What the gallery knows of an entity, and its image or text."""
    row = {} if rows is None else rows[entity["row"]]
    name = str(entity.get("label") or entity.get("entity_id") or f"row {entity['row']}")
    facts = [str(entity["country"])] if entity.get("country") else []
    facts += [f"similarity {entity['score']:.2f}", *_away(entity, estimate)]
    return element(
        "li",
        _thumbnail(row["images"][0], name) if entity["modality"] == "image" and row.get("images") else None,
        element("b", name, dir="auto"),
        _summary(row.get("summaries") or {}) if entity["modality"] == "text" else None,
        element("span", " · ".join(facts), class_="quiet"),
    )


def _away(entity: Mapping[str, Any], estimate: Mapping[str, Any]) -> list[str]:
    """How far an entity is from the estimated place, if both are known."""
    places: list[Any] = [mapping.get(name) for mapping in (estimate, entity) for name in PLACE]
    return [] if None in places else [f"{float(great_circle_distance(*places)):,.0f} km from the estimate"]


def _summary(summaries: Mapping[str, str | None]) -> Markup | None:
    """The first summary that there is."""
    texts = ((language, text) for language, text in summaries.items() if text)
    return next((element("q", text, lang=language, dir="auto") for language, text in texts), None)


def _thumbnail(picture: Image.Image, label: str) -> Markup:
    picture, file = picture.convert("RGB"), io.BytesIO()
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    picture.save(file, "JPEG", quality=85)
    return element("img", src=data_uri(file.getvalue(), "image/jpeg"), alt=label)


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
