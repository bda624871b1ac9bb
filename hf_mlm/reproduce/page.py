"""A reproduced table as Markdown, as CSV, and as one HTML document with dot plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from hf_mlm.drawing.charts import Dot, dot_plot, line_chart
from hf_mlm.drawing.html import Markup, element, page
from hf_mlm.publishing.cards import markdown_table
from hf_mlm.reporting.tables import figure_table
from hf_mlm.reproduce.experiments import Table
from hf_mlm.reproduce.tables import Entry


UNREADABLE, ABSENT, NOT_RUN, UNTOLD = "unreadable", "none", "not run", "not told"
FOOTNOTE = (
    f"“{UNREADABLE}”: the paper has a figure here that cannot be read in our copy. “{ABSENT}”: there is no such "
    f"figure. “{NOT_RUN}”: no run of ours has finished. “{UNTOLD}”: the run has finished and its data do not tell "
    "this figure. ↓: lower is better."
)
COLUMNS = ("row", "column", "published", "source", "ours", "sd", "seeds", "low", "high")
DIFFERENCES = ("difference", "difference_low", "difference_high", "p_value")
Grid = dict[str, dict[str, Entry]]  # rows -> columns -> cells


def to_markdown(table: Table, entries: Sequence[Entry], facts: Sequence[str] = ()) -> str:
    """Write a table as Markdown, block by block as the paper prints it, our line below the published one.

    What is compared with one of the rows stands in a table of its own below.
    """
    parts = [f"### {heading(table)}", *([" · ".join(facts)] if facts else []), table.note]
    for block, grid in arrange(table, entries).items():
        columns = columns_of(grid)
        heads = ["", *([""] if in_paper(entries) else []), *(named(column, table) for column in columns)]
        parts += [*([f"**{block}**"] if block else []), markdown_table(heads, lines_of(table, entries, grid, columns))]
    if compared := _compared(table, entries):
        heads, rows = compared
        parts += [f"{_difference(table)}, with its 95 % interval:", markdown_table(heads, rows)]
    return "\n\n".join([*parts, FOOTNOTE]) + "\n"


def _difference(table: Table) -> str:
    return f"Difference to {table.compared_with}, by a paired bootstrap over the test sentences"


def _compared(table: Table, entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]] | None:
    """Heads and rows of the differences to one row, block by block; None where none is known."""
    known = [entry for entry in entries if entry.against]
    blocks = arrange(table, known)
    rows = dict.fromkeys(line for grid in blocks.values() for line in grid)
    found = {row: [next(iter(grid.get(row, {}).values()), None) for grid in blocks.values()] for row in rows}
    heads = ["", *(block or "F1" for block in blocks)]
    lines = [[row, *(difference_text(entry, table) for entry in cells)] for row, cells in found.items()]
    return (heads, lines) if known else None


def to_csv(table: Table, entries: Iterable[Entry]) -> str:
    """Write a table as CSV, one line a cell, with source, spread, interval and comparison."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*COLUMNS, *DIFFERENCES])
    for entry in entries:
        low, high = (entry.ours.interval or ("", "")) if entry.ours else ("", "")
        ours = (entry.ours.mean, entry.ours.sd, entry.ours.seeds) if entry.ours else (ours_text(entry, table), "", 0)
        known = (UNREADABLE if entry.source else ABSENT) if entry.published is None else entry.published
        about = entry.against or {}
        difference = [about.get("difference", ""), *about.get("interval", ("", "")), about.get("p_value", "")]
        writer.writerow([entry.cell.row, entry.cell.column, known, entry.source, *ours, low, high, *difference])
    return stream.getvalue()


def heading(table: Table) -> str:
    """Name a table."""
    number = f"Table {table.number}" if table.number.isdigit() else table.number
    return f"{table.paper.upper()}, {number}: {table.title}{', in percent' if table.percent else ''}"


def named(column: str, table: Table) -> str:
    """Name a column, with an arrow where lower is better."""
    return f"{column} ↓" if column in table.lower_is_better else column


def render(
    table: Table, entries: Sequence[Entry], facts: Sequence[str], curves: Mapping[str, Sequence[float]] | None = None
) -> str:
    """Lay a table out as one HTML document."""
    blocks = arrange(table, entries)
    columns = columns_of(*blocks.values())
    heads = ["", *([""] if in_paper(entries) else []), *(named(column, table) for column in columns)]
    sections = [(block, lines_of(table, entries, grid, columns)) for block, grid in blocks.items()]
    compared, drawn = _compared(table, entries), _plots(table, blocks)
    return page(
        heading(table),
        element(
            "header",
            element("h1", heading(table)),
            element("p", " · ".join(facts), class_="facts"),
            element("p", table.note),
            _scale_note(table),
        ),
        element("section", figure_table(table.title, heads, sections), element("p", FOOTNOTE)),
        *(
            [element("section", figure_table(_difference(table), compared[0], [("", compared[1])]))]
            if compared
            else []
        ),
        *([element("section", element("h2", "Side by side"), *drawn)] if (drawn := _plots(table, blocks)) else []),
        _authors_curves(curves) if curves else None,
    )


def _plots(table: Table, blocks: Mapping[str, Grid]) -> list[Markup]:
    """A dot plot for each column, of those with F1 for F1 alone."""
    found = []
    for block, grid in blocks.items():
        columns = columns_of(grid)
        for column in ["F1"] if "F1" in columns else columns:
            dots = [_dot(row, cells[column]) for row, cells in grid.items() if column in cells]
            found.append(dot_plot(" ".join(filter(None, (block, named(column, table)))), dots))
    return [plot for plot in found if plot]


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


def arrange(table: Table, entries: Iterable[Entry]) -> dict[str, Grid]:
    """Sort entries into blocks, lines and columns, in the order of first appearance."""
    blocks: dict[str, Grid] = {name: {} for name in table.blocks}
    for entry in entries:
        block, line, column = table.position(entry.cell)
        blocks.setdefault(block, {}).setdefault(line, {})[column] = entry
    return {name: grid for name, grid in blocks.items() if grid}


def columns_of(*grids: Grid) -> list[str]:
    """All columns of some blocks, in the order of first appearance."""
    return list(dict.fromkeys(column for grid in grids for cells in grid.values() for column in cells))


def lines_of(table: Table, entries: Sequence[Entry], grid: Grid, columns: Sequence[str]) -> list[list[str]]:
    """Lines of a block: of each row the published and our values, or ours alone if the paper has no such table."""
    found = []
    for row, cells in grid.items():
        published, ours = zip(*(texts_of(cells.get(column), table) for column in columns), strict=True)
        if in_paper(entries):
            found.append([row, "published", *published])
        found.append(["", "ours", *ours] if in_paper(entries) else [row, *ours])
    return found


def in_paper(entries: Iterable[Entry]) -> bool:
    """Whether the paper has the table at all."""
    return any(entry.source for entry in entries)


def texts_of(entry: Entry | None, table: Table) -> tuple[str, str]:
    """Published and own figure as they are shown; never empty."""
    if entry is None:
        return ABSENT, ABSENT
    known = UNREADABLE if entry.source else ABSENT
    return (known if entry.published is None else number(entry.published, table)), ours_text(entry, table)


def ours_text(entry: Entry, table: Table) -> str:
    """Our figure with its spread over seeds, or the interval of a single run."""
    if entry.ours is None:
        return ABSENT if entry.cell.spec is None else UNTOLD if entry.finished else NOT_RUN
    mean = number(entry.ours.mean, table)
    if entry.ours.sd is not None:
        return f"{mean} ± {number(entry.ours.sd, table)}"
    if entry.ours.interval is not None:
        low, high = (number(end, table) for end in entry.ours.interval)
        return f"{mean} [{low}, {high}]"
    return mean


def difference_text(entry: Entry | None, table: Table) -> str:
    """Difference of a figure to that of the row which the table compares with; a dash where nothing tells it."""
    if entry is None or entry.against is None:
        return "–"
    low, high = entry.against["interval"]
    bounds = f"[{number(low, table)}, {number(high, table)}]"
    return f"{entry.against['difference']:+.2f} {bounds}, p = {entry.against['p_value']:.3f}"


def number(value: float, table: Table) -> str:
    """A figure with as many digits as the papers give."""
    if table.whole:
        return f"{value:,.0f}"
    return f"{value:.2f}" if table.percent or value < 1 else f"{value:.1f}"
