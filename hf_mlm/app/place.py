"""The section on a place: the estimate in words, on the world, near by, and the likeliest cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hf_mlm.app.maps import estimate_map
from hf_mlm.app.region import Region
from hf_mlm.geo.coordinates import position_of
from hf_mlm.reporting.html import Markup, element
from hf_mlm.reporting.maps import Window


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
