"""A reproduced table as one HTML document, with published values beside ours and dot plots of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hf_mlm.drawing.charts import Dot, dot_plot, line_chart
from hf_mlm.drawing.html import Markup, element, page
from hf_mlm.reporting.tables import figure_table
from hf_mlm.reproduce.catalog import Table
from hf_mlm.reproduce.tables import FOOTNOTE, Entry, arrange, difference_text, heading, in_paper, named, texts_of


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
