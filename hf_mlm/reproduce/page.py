"""A dot plot of a table: published figures beside ours, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hf_mlm.drawing.charts import line_chart, ticks
from hf_mlm.drawing.html import Markup, drawing, element, page
from hf_mlm.reporting.tables import figure_table
from hf_mlm.reproduce.catalog import Table
from hf_mlm.reproduce.tables import FOOTNOTE, Entry, arrange, difference_text, heading, in_paper, named, texts_of


WIDTH, RIGHT, TOP, LINE, LETTER = 460, 16, 10, 24, 7.4  # narrow, so that a phone does not shrink the names


@dataclass(frozen=True)
class Dot:
    """A row of the plot.

    Attributes:
        name: at its left.
        published: the paper's figure, a ring; None if unknown.
        ours: a dot; None if not run.
        interval: low and high of ours; None if unknown.
    """

    name: str
    published: float | None
    ours: float | None
    interval: tuple[float, float] | None = None

    @property
    def values(self) -> list[float]:
        """All that must fit on the axis."""
        return [value for value in (self.published, self.ours, *(self.interval or ())) if value is not None]


def dot_plot(title: str, dots: Sequence[Dot]) -> Markup | None:
    """Draw one row a dot: a ring for the published figure, a dot with its interval for ours.

    Args:
        title: what the axis shows.
        dots: from top to bottom.

    Returns:
        A ``<figure>``; None if there is nothing to draw.
    """
    every = [value for dot in dots for value in dot.values]
    if not every:
        return None
    marks = ticks(min(every), max(every) if max(every) > min(every) else min(every) + 1, 5)
    bottom = TOP + LINE * len(dots)
    scale = _Scale(marks[0], marks[-1], 16 + LETTER * max(len(dot.name) for dot in dots))
    plot = drawing(
        WIDTH,
        bottom + 26,
        f"{title}: " + "; ".join(_spoken(dot) for dot in dots),
        *(_tick(scale, mark, bottom) for mark in marks),
        *(_plot_row(scale, dot, TOP + LINE * (place + 0.5)) for place, dot in enumerate(dots)),
    )
    caption = element(
        "figcaption", element("b", title), " ring: published; dot and line: ours, with its 95 % interval"
    )
    return element("figure", caption, plot, class_="chart", style="max-width:42rem")


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    left: float

    def x(self, value: float) -> str:
        return f"{self.left + (value - self.low) / (self.high - self.low) * (WIDTH - self.left - RIGHT):.1f}"


def _tick(scale: _Scale, value: float, bottom: float) -> Markup:
    x = scale.x(value)
    line = element("line", class_="grid", x1=x, x2=x, y1=TOP, y2=bottom)
    return element("g", line, element("text", f"{value:g}", class_="tick middle", x=x, y=bottom + 18))


def _plot_row(scale: _Scale, dot: Dot, y: float) -> Markup:
    parts: list[Markup] = [
        element("text", dot.name, class_="end", x=f"{scale.left - 12:.1f}", y=f"{y:.1f}", dy="0.32em")
    ]
    if dot.interval is not None:
        low, high = (scale.x(end) for end in dot.interval)
        parts.append(element("polyline", points=f"{low},{y:.1f} {high},{y:.1f}"))
    if dot.ours is not None:
        parts.append(element("circle", cx=scale.x(dot.ours), cy=f"{y:.1f}", r=4))
    if dot.published is not None:
        ring: Mapping[str, object] = {"fill": "none", "stroke": "currentColor", "stroke_width": 1.6}
        parts.append(element("circle", cx=scale.x(dot.published), cy=f"{y:.1f}", r=6, style="fill:none", **ring))
    return element("g", *parts, class_="series series-0")


def _spoken(dot: Dot) -> str:
    sides = (("published", dot.published), ("ours", dot.ours))
    return f"{dot.name} " + ", ".join(f"{side} {value:.4g}" for side, value in sides if value is not None)


def render(
    table: Table, entries: Sequence[Entry], facts: Sequence[str], curves: Mapping[str, Sequence[float]] | None = None
) -> str:
    """Lay a table out as one HTML document.

    Args:
        table: what is shown.
        entries: its cells.
        facts: how it came about, a few words each: scale, seeds, version, command.
        curves: the authors' validation curves, drawn where there are any.
    """
    grid, names = arrange(entries)
    parts = [(named(name, table), {row: grid[row][name] for row in grid if name in grid[row]}) for name in names]
    columns = _columns(entries, table)
    sections = [(name, [_row(entry, table, columns) for entry in cells.values()]) for name, cells in parts]
    plots = [dot_plot(name, [_dot(row, entry) for row, entry in cells.items()]) for name, cells in parts]
    return page(
        heading(table),
        element(
            "header",
            element("h1", heading(table)),
            element("p", " · ".join(facts), class_="facts"),
            element("p", table.note),
            _scale_note(table),
        ),
        element("section", figure_table(table.title, columns, sections), element("p", FOOTNOTE)),
        *([element("section", element("h2", "Side by side"), *drawn)] if (drawn := [*filter(None, plots)]) else []),
        *([_authors_curves(curves)] if curves else []),
    )


def _columns(entries: Sequence[Entry], table: Table) -> list[str]:
    """Heads of the columns that there is something to say in: not all papers have the table, or a row to compare."""
    known = ["published"] if in_paper(entries) else []
    return ["", "ours", *known, *([f"difference to {table.compared_with}"] if table.compared_with else [])]


def _row(entry: Entry, table: Table, columns: Sequence[str]) -> list[str]:
    published, ours = texts_of(entry, table)
    cells = [entry.cell.row, ours, *([published] if "published" in columns else [])]
    return [*cells, *([difference_text(entry, table)] if table.compared_with else [])]


def _dot(row: str, entry: Entry) -> Dot:
    ours = entry.ours
    return Dot(row, entry.published, ours.mean if ours else None, ours.interval if ours else None)


def _scale_note(table: Table) -> Markup:
    spread = "± is the standard deviation over seeds; brackets hold 95 % intervals of a single run's test rows"
    compared = f", and differences are to {table.compared_with} by a paired bootstrap" if table.compared_with else ""
    return element("p", f"{spread}{compared}.")


def _authors_curves(curves: Mapping[str, Sequence[float]]) -> Markup:
    charts = [
        line_chart(title, {name: list(enumerate(curves[name], 1)) for name in names}, note)
        for title, names, note in (
            ("Median rank, image → text", ("medR",), "lower is better"),
            ("Weighted F1 of cells", ("img_F1", "txt_F1"), "higher is better"),
        )
    ]
    intro = element("p", "Validation curves of the authors' multitask system on MLM-irle, from their repository.")
    return element("section", element("h2", "The authors' training"), intro, element("div", *charts, class_="charts"))
