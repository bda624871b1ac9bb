"""A table's published figures beside ours: as values, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hf_mlm.publishing.cards import markdown_table
from hf_mlm.reproduce.catalog import Cell, Table
from hf_mlm.reproduce.experiments import Spec
from hf_mlm.reproduce.published import published
from hf_mlm.reproduce.runs import Job, Outcome
from hf_mlm.reproduce.statistics import Summary, compare, f1_interval, summarize


UNCHECKED, ABSENT, NOT_RUN, UNTOLD = "not checked", "none", "not run", "not told"
FOOTNOTE = (
    f"Published figures are those that our study of the papers noted. “{UNCHECKED}”: the paper has a figure here that "
    "was not noted, and none is guessed. "
    f"“{ABSENT}”: the paper has no such figure. “{NOT_RUN}”: no run of ours has finished. "
    f"“{UNTOLD}”: the run has finished and its data do not tell this figure. ↓: lower is better."
)
COLUMNS = ("row", "column", "published", "source", "ours", "sd", "seeds", "low", "high")
DIFFERENCES = ("difference", "difference_low", "difference_high", "p_value")


@dataclass(frozen=True)
class Entry:
    """A cell with what is known of it; shares are times 100 where the table is in percent.

    Attributes:
        cell: of the table.
        published: the paper's figure; None if unknown.
        source: where it stands; empty if the paper has no such table.
        ours: over the seeds that are finished; None without one.
        finished: whether a run has finished.
        against: a paired bootstrap against the row that the table compares with; None without one.
    """

    cell: Cell
    published: float | None
    source: str
    ours: Summary | None
    finished: bool = False
    against: dict[str, Any] | None = None


Outcomes = Mapping[Spec, Mapping[int, Outcome]]


def by_spec(done: Iterable[tuple[Job, Outcome]]) -> dict[Spec, dict[int, Outcome]]:
    """Sort outcomes by spec and seed."""
    found: dict[Spec, dict[int, Outcome]] = {}
    for job, outcome in done:
        found.setdefault(job.spec, {})[job.seed] = outcome
    return found


def fill(table: Table, outcomes: Outcomes) -> list[Entry]:
    """Put published and own figures into a table's cells.

    Args:
        table: its cells.
        outcomes: what runs have found, by spec and seed; any may be missing.

    Returns:
        One entry a cell, in their order.
    """
    unit = 100.0 if table.percent else 1.0
    rivals = {cell.column: cell.spec for cell in table.cells if cell.row == table.compared_with}
    entries = []
    for cell in table.cells:
        figure = published(table.paper, table.number, cell.row, cell.column)
        runs = outcomes.get(cell.spec, {})
        entries.append(
            Entry(
                cell,
                figure.value if figure else None,
                figure.source if figure else "",
                _ours(cell, runs, unit),
                bool(runs),
                _against(cell, runs, rivals.get(cell.column), outcomes, unit),
            )
        )
    return entries


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


def _ours(cell: Cell, runs: Mapping[int, Outcome], unit: float) -> Summary | None:
    values = [outcome.metrics[cell.metric] * unit for outcome in runs.values() if cell.metric in outcome.metrics]
    if not values:
        return None
    return summarize(values, _interval(cell, next(iter(runs.values())), unit) if len(values) == 1 else None)


def _interval(cell: Cell, outcome: Outcome, unit: float) -> tuple[float, float] | None:
    """Of a single run: what it tells itself, or its test sentences resampled."""
    ends = [outcome.metrics.get(f"{cell.metric}_{end}") for end in ("low", "high")]
    if cell.metric == "test_f1" and outcome.counts:
        ends = list(f1_interval(outcome.counts))
    low, high = ends
    return None if low is None or high is None else (low * unit, high * unit)


def _against(
    cell: Cell, runs: Mapping[int, Outcome], rival: Spec | None, outcomes: Outcomes, unit: float
) -> dict[str, Any] | None:
    if rival is None or rival == cell.spec or cell.metric != "test_f1":
        return None
    found = compare(_counts(runs), _counts(outcomes.get(rival, {})))
    if found is None:
        return None
    interval = tuple(end * unit for end in found["interval"])
    return {**found, "difference": found["difference"] * unit, "interval": interval}


def _counts(runs: Mapping[int, Outcome]) -> dict[int, list[list[int]]]:
    return {seed: run.counts for seed, run in runs.items() if run.counts}
