"""Answers as HTML: a map, neighbours and marked entities for one query, a table and a map for several images."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from PIL import Image

from hf_mlm.app.maps import estimate_map, points_map
from hf_mlm.app.opening import OpenModels, check_length, read_picture
from hf_mlm.drawing.html import Markup, data_uri, element
from hf_mlm.drawing.maps import Region, Window
from hf_mlm.geo.coordinates import position_of
from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.models.base.images import to_rgb
from hf_mlm.pipelines.geojson import feature, point_geometry


TOP_CELLS, TOP_NEIGHBOURS = 5, 6
MOST_FILES = 100
HINT = "The answer appears here."
NOTHING = "There is nothing to look at yet: drop an image, write a text, or both."
UNREAD = "None of the models reads an image without a text: write a text as well."


def answer(models: OpenModels, files: Sequence[str | Path] = (), text: str = "", classes: str = "") -> Markup:
    """Ask every model, and lay out what they say.

    Args:
        models: that are open.
        files: images; several are located one by one, and any text is left aside.
        text: nothing if it is blank.
        classes: of the text, such as ``"city, port"``.

    Returns:
        One element. What is wrong with an image or a text is a sentence in it, not an exception.
    """
    if not files and not text.strip():
        return said(NOTHING)
    try:
        if len(files) > 1:
            return element("div", *_several(models, [Path(file) for file in files]), class_="answer")
        sections = _sections(models, next(map(Path, files), None), text, classes)
    except (ValueError, OSError) as error:
        return refused(error)
    return element("div", *sections, class_="answer") if sections else said(UNREAD)


def said(sentence: str) -> Markup:
    """A sentence in the place of an answer."""
    return element("div", element("p", sentence, class_="hint"), class_="answer")


def refused(error: Exception) -> Markup:
    """The message of an error in the place of an answer."""
    return element("div", element("p", str(error), class_="mistake", role="alert"), class_="answer")


def _sections(models: OpenModels, file: Path | None, text: str, classes: str) -> list[Markup]:
    """Image, position, entities and neighbours, as far as there is a model for them."""
    check_length(text)
    picture = None if file is None else read_picture(file, file.name)
    texts = {"text": text.strip(), "classes": classes} if text.strip() else {}
    query: dict[str, Any] = texts | ({} if picture is None else {"image": picture})
    asked = {"image": {"image": picture}, "text": texts}
    estimate: dict[str, Any] = models.locate(query, top_k=TOP_CELLS) if models.locate else {}
    found = {
        name: models.retrieve(asked[name], top_k=TOP_NEIGHBOURS) for name in asked if models.retrieve and name in query
    }
    sections = []
    if estimate:
        sections.append(located(estimate, [entity for entities in found.values() for entity in entities]))
    if models.tag and texts:
        sections.append(named_in(texts["text"], models.tag({"text": texts["text"], "image": picture})))
    sections += [neighbours(name, entities, models.rows, estimate) for name, entities in found.items()]
    if picture is not None and file is not None and sections:
        figure = element("figure", thumbnail(picture, file.name), element("figcaption", file.name), class_="given")
        sections.insert(0, figure)
    return sections


def _several(models: OpenModels, files: Sequence[Path]) -> list[Markup]:
    """A map and a list of images, located one by one; one that cannot be read is told and passed over."""
    if models.locate is None:
        raise ValueError("several images at once are located, and none of the models locates: give one image.")
    if len(files) > MOST_FILES:
        raise ValueError(f"there are {len(files):,} images, and at most {MOST_FILES} are taken at once: divide them.")
    answers, items = [], []
    for file in files:
        try:
            picture = read_picture(file, file.name)
            estimate = models.locate({"image": picture}, top_k=1)
            estimate = {**estimate, "file": file.name, "settlement": settlement_of(estimate)}
            items.append(_item(file.name, thumbnail(picture, file.name), *_position(estimate)))
        except (ValueError, OSError) as error:
            estimate = {"file": file.name, "error": str(error)}
            items.append(_item(file.name, None, "", element("span", str(error), class_="mistake")))
        answers.append(estimate)
    known = [found for found in answers if found.get("latitude") is not None]
    return [
        element(
            "section",
            element("h2", f"{len(known):,} of {len(files):,} images located"),
            element("figure", points_map(known, Window(), "Estimates of all images"), class_="world")
            if known
            else None,
            element("p", *_downloads(answers), class_="downloads"),
            element("ol", *items, class_="cards images several"),
        )
    ]


def _position(estimate: Mapping[str, Any]) -> tuple[str, Markup]:
    if estimate["latitude"] is None:
        return f"cell {estimate['cells'][0]['cell']}", element("span", NO_MAP, class_="quiet")
    radius = element("span", f"within {estimate['radius_km']:,.0f} km", class_="quiet")
    return position_of(estimate["latitude"], estimate["longitude"]), radius


def _item(name: str, picture: Markup | None, position: str, told: Markup) -> Markup:
    quiet = element("span", name, class_="quiet") if position else None
    return element("li", picture, element("b", position or name, dir="auto"), quiet, told)


COLUMNS = ("file", "latitude", "longitude", "radius_km", "settlement", "country", "error")


def _downloads(answers: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """Links to the answers as CSV and as GeoJSON, which hold them in their own addresses."""
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(answers)
    features = [
        feature(
            point_geometry(found["latitude"], found["longitude"]),
            {"file": found["file"], "radius_km": found["radius_km"]},
        )
        for found in answers
        if found.get("latitude") is not None
    ]
    collection = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
    files = {
        "estimates.csv": ("text/csv", table.getvalue()),
        "estimates.geojson": ("application/geo+json", collection),
    }
    return [
        element("a", name, download=name, href=data_uri(content.encode(), kind))
        for name, (kind, content) in files.items()
    ]


NO_MAP = "The model has no map of its cells: it tells which cell, not where."


def located(estimate: Mapping[str, Any], neighbours: Sequence[Mapping[str, Any]]) -> Markup:
    """Lay out an estimate: position, maps and the likeliest cells.

    Args:
        estimate: of the pipeline ``geo-estimation``.
        neighbours: of ``cross-modal-retrieval``, marked on the maps where their positions are known.
    """
    heading = element("h2", "Where")
    if estimate["latitude"] is None:
        return element("section", heading, element("p", NO_MAP, class_="quiet"), _cells(estimate["cells"]))
    position, radius = position_of(estimate["latitude"], estimate["longitude"]), estimate["radius_km"]
    source = " and the ".join(estimate["modalities"])
    half = "half of such entities lie" if estimate.get("calibrated") else "half of the probability lies"
    said = f"{half} within {radius:,.0f} km, judging by the {source}"
    nearest = settlement_of(estimate)
    world = estimate_map(estimate, neighbours, Window(), f"Estimate: {position}; {said}.")
    near = _near(estimate, neighbours, position)
    return element(
        "section",
        heading,
        element("p", element("b", position), " ", element("span", said), class_="place"),
        element("p", f"Nearest settlement: {nearest}.", dir="auto") if nearest else None,
        element("figure", world, class_="world"),
        _legend(any(entity.get("latitude") is not None for entity in neighbours)),
        element("div", near, _cells(estimate["cells"]), class_="near" if near else "near alone"),
    )


def settlement_of(estimate: Mapping[str, Any]) -> str | None:
    """Name and country of the nearest settlement, where the pipeline tells it."""
    near = estimate.get("settlement")
    return None if near is None else f"{near['name']}, {near['country']}"


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


THUMBNAIL = 192  # pixels
PLACE = ("latitude", "longitude")


def neighbours(
    asked: str, found: Sequence[Mapping[str, Any]], rows: Dataset | None, estimate: Mapping[str, Any]
) -> Markup:
    """Lay out the entities that the gallery gave.

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
        thumbnail(to_rgb(row["images"][0]), name) if entity["modality"] == "image" and row.get("images") else None,
        element("b", name, dir="auto"),
        _summary(row.get("summaries") or {}) if entity["modality"] == "text" else None,
        element("span", " · ".join(facts), class_="quiet"),
    )


def _away(entity: Mapping[str, Any], estimate: Mapping[str, Any]) -> list[str]:
    """How far an entity is from the estimated position, if both are known."""
    places: list[Any] = [mapping.get(name) for mapping in (estimate, entity) for name in PLACE]
    return [] if None in places else [f"{float(great_circle_distance(*places)):,.0f} km from the estimate"]


def _summary(summaries: Mapping[str, str | None]) -> Markup | None:
    """The first summary that there is."""
    texts = ((language, text) for language, text in summaries.items() if text)
    return next((element("q", text, lang=language, dir="auto") for language, text in texts), None)


def thumbnail(picture: Image.Image, label: str) -> Markup:
    """A small JPEG of an RGB picture, in the page itself."""
    small, file = picture.copy(), io.BytesIO()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(file, "JPEG", quality=85)
    return element("img", src=data_uri(file.getvalue(), "image/jpeg"), alt=label)
