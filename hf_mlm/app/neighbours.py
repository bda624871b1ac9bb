"""The section on neighbours: entities of the gallery whose texts go with an image, or whose images go with a text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset
from PIL import Image

from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.reporting.html import Markup, data_uri, element


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
