"""Tables of figures: headline numbers beside their baselines, and errors by group with bars."""

from __future__ import annotations

from collections.abc import Sequence

from hf_mlm.drawing.html import Markup, element


def figure_table(
    caption: str, columns: Sequence[str], sections: Sequence[tuple[str, Sequence[Sequence[str]]]]
) -> Markup:
    """Draw a table whose first column names a measure and whose second holds our figure.

    Args:
        caption: what the table shows.
        columns: names of all columns, that of the first included.
        sections: (heading, rows); each row has one string a column, the first its name. An empty heading draws none.

    Returns:
        A scrollable ``<div>`` with the table in it.

    Raises:
        ValueError: if a row has another length than ``columns``.
    """
    bodies = []
    for heading, rows in sections:
        for row in rows:
            if len(row) != len(columns):
                raise ValueError(f"figure_table: row {row!r} has {len(row)} cells for {len(columns)} columns.")
        title = element("tr", element("th", heading, colspan=len(columns), scope="rowgroup")) if heading else None
        bodies.append(element("tbody", title, *(_figures(row) for row in rows)))
    head = element("thead", element("tr", *(element("th", name, scope="col") for name in columns)))
    return _scrollable(element("table", element("caption", caption), head, *bodies, class_="figures"), caption)


def bar_table(
    caption: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]], unit: str, digits: int = 0
) -> Markup:
    """Draw groups with one bar a column, all bars on one scale.

    Args:
        caption: what the bars show.
        columns: name of the group column, then of each bar column.
        rows: (group, values), one value a bar column.
        unit: what stands behind each value, such as "km".
        digits: after the decimal point.
    """
    longest = max((value for _, values in rows for value in values), default=0.0) or 1.0
    body = [
        element(
            "tr",
            element("th", group, scope="row"),
            *(_bar(value, longest, unit, digits, n) for n, value in enumerate(values)),
        )
        for group, values in rows
    ]
    head = element("thead", element("tr", *(element("th", name, scope="col") for name in columns)))
    table = element("table", element("caption", caption), head, element("tbody", *body), class_="bars")
    return _scrollable(table, caption)


def _figures(row: Sequence[str]) -> Markup:
    name, ours, *others = row
    return element(
        "tr",
        element("th", name, scope="row"),
        element("td", ours, class_="ours"),
        *(element("td", other) for other in others),
    )


def _bar(value: float, longest: float, unit: str, digits: int, number: int) -> Markup:
    bar = element("span", class_=f"bar bar-{number}", style=f"width:{100 * value / longest:.1f}%", aria_hidden="true")
    return element(
        "td", element("span", f"{value:,.{digits}f} {unit}", class_="length"), element("span", bar, class_="track")
    )


def _scrollable(table: Markup, label: str) -> Markup:
    """Let a table that is wider than a phone scroll by itself, by finger or keyboard, and not push the page."""
    return element("div", table, class_="scroll", role="region", aria_label=label, tabindex="0")
