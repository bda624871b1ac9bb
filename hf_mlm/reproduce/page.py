"""A reproduced table as Markdown, as CSV, and as one HTML document with dot plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from hf_mlm.drawing.charts import Dot, dot_plot, line_chart
from hf_mlm.drawing.html import Markup, element, page
from hf_mlm.publishing.cards import markdown_table
from hf_mlm.reporting.tables import figure_table
from hf_mlm.reproduce.catalog import Table
from hf_mlm.reproduce.tables import Entry


UNCHECKED, ABSENT, NOT_RUN, UNTOLD = "not checked", "none", "not run", "not told"
FOOTNOTE = (
    f"Published figures are those that our study of the papers noted. “{UNCHECKED}”: the paper has a figure here that "
    "was not noted, and none is guessed. "
    f"“{ABSENT}”: the paper has no such figure. “{NOT_RUN}”: no run of ours has finished. "
    f"“{UNTOLD}”: the run has finished and its data do not tell this figure. ↓: lower is better."
)
COLUMNS = ("row", "column", "published", "source", "ours", "sd", "seeds", "low", "high")
DIFFERENCES = ("difference", "difference_low", "difference_high", "p_value")


def to_markdown(table: Table, entries: Sequence[Entry], facts: Sequence[str] = ()) -> str:
    """Write a table as Markdown, two columns for each of its own, published and ours, if the paper has the table.

    What is compared with one of the rows stands in a table of its own below.

    Args:
        table: what is shown.
        entries: its cells.
        facts: how it came about, a few words each.
    """
    grid, columns = arrange(entries)
    sides = (", published", ", ours") if in_paper(entries) else ("",)
    heads = [named(column, table) + side for column in columns for side in sides]
    paragraphs = [f"### {heading(table)}", *([" · ".join(facts)] if facts else []), table.note]
    rows = [
        [row, *(text for column in columns for text in texts_of(cells.get(column), table)[-len(sides) :])]
        for row, cells in grid.items()
    ]
    parts = [*paragraphs, markdown_table(["", *heads], rows), *_compared(table, entries), FOOTNOTE]
    return "\n\n".join(parts) + "\n"


def _compared(table: Table, entries: Sequence[Entry]) -> list[str]:
    """A table of the differences to one row; nothing where none is known."""
    grid, columns = arrange(entry for entry in entries if entry.against)
    if not grid:
        return []
    title = (
        f"Difference to {table.compared_with}, by a paired bootstrap over the test sentences, with its 95 % interval:"
    )
    rows = [[row, *(difference_text(cells.get(column), table) for column in columns)] for row, cells in grid.items()]
    return [title, markdown_table(["", *columns], rows)]


def to_csv(table: Table, entries: Iterable[Entry]) -> str:
    """Write a table as CSV, one line a cell, with source, spread, interval and comparison."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*COLUMNS, *DIFFERENCES])
    for entry in entries:
        low, high = (entry.ours.interval or ("", "")) if entry.ours else ("", "")
        ours = (entry.ours.mean, entry.ours.sd, entry.ours.seeds) if entry.ours else (ours_text(entry, table), "", 0)
        known = (UNCHECKED if entry.source else ABSENT) if entry.published is None else entry.published
        about = entry.against or {}
        difference = [about.get("difference", ""), *about.get("interval", ("", "")), about.get("p_value", "")]
        writer.writerow([entry.cell.row, entry.cell.column, known, entry.source, *ours, low, high, *difference])
    return stream.getvalue()


def heading(table: Table) -> str:
    """What a table is called.

    Example:
        >>> from hf_mlm.reproduce.catalog import find_table
        >>> heading(find_table("mlm", "3")), heading(find_table("2m-ner", "grid"))
        ('MLM, Table 3: Cross-modal retrieval', '2M-NER, grid: Validation F1 by α and learning rate, in percent')
    """
    number = f"Table {table.number}" if table.number.isdigit() else table.number
    return f"{table.paper.upper()}, {number}: {table.title}{', in percent' if table.percent else ''}"


def named(column: str, table: Table) -> str:
    """What a column is called, with an arrow where lower is better.

    Example:
        >>> from hf_mlm.reproduce.catalog import find_table
        >>> named("medR", find_table("mlm", "3")), named("R@1", find_table("mlm", "3"))
        ('medR ↓', 'R@1')
    """
    return f"{column} ↓" if column in table.lower_is_better else column


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


def arrange(entries: Iterable[Entry]) -> tuple[dict[str, dict[str, Entry]], list[str]]:
    """Sort entries into rows; return them with the columns, both in the order of first appearance."""
    grid: dict[str, dict[str, Entry]] = {}
    columns: dict[str, None] = {}
    for entry in entries:
        grid.setdefault(entry.cell.row, {})[entry.cell.column] = entry
        columns[entry.cell.column] = None
    return grid, list(columns)


def in_paper(entries: Iterable[Entry]) -> bool:
    """Whether the paper has the table at all."""
    return any(entry.source for entry in entries)


def texts_of(entry: Entry | None, table: Table) -> tuple[str, str]:
    """Published and own figure as they are shown; never empty."""
    if entry is None:
        return ABSENT, ABSENT
    known = UNCHECKED if entry.source else ABSENT
    return (known if entry.published is None else number(entry.published, table)), ours_text(entry, table)


def ours_text(entry: Entry, table: Table) -> str:
    """Our figure with its spread over seeds, or the interval of a single run."""
    if entry.ours is None:
        return UNTOLD if entry.finished else NOT_RUN
    mean = number(entry.ours.mean, table)
    if entry.ours.sd is not None:
        return f"{mean} ± {number(entry.ours.sd, table)}"
    if entry.ours.interval is not None:
        low, high = (number(end, table) for end in entry.ours.interval)
        return f"{mean} [{low}, {high}]"
    return mean


def difference_text(entry: Entry | None, table: Table) -> str:
    """How much a figure differs from that of the row which the table compares with; a dash where nothing tells it."""
    if entry is None or entry.against is None:
        return "–"
    low, high = entry.against["interval"]
    bounds = f"[{number(low, table)}, {number(high, table)}]"
    return f"{entry.against['difference']:+.2f} {bounds}, p = {entry.against['p_value']:.3f}"


def number(value: float, table: Table) -> str:
    """A figure with as many digits as the papers give.

    Example:
        >>> from hf_mlm.reproduce.catalog import find_table
        >>> number(0.14, find_table("mlm", "3")), number(70.489, find_table("2m-ner", "5"))
        ('0.14', '70.49')
    """
    if table.number == "2":
        return f"{value:,.0f}"
    return f"{value:.2f}" if table.percent or value < 1 else f"{value:.1f}"
