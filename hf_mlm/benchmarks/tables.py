"""A benchmark's rows as Markdown for people and as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hf_mlm.benchmarks.harness import Median, Report, Row, Shares
from hf_mlm.drawing.charts import bar_chart
from hf_mlm.drawing.html import Markup
from hf_mlm.files import write_text
from hf_mlm.publishing.cards import markdown_table


HEADS = {
    "peer": ("ratio", "95 %", "what", "ours", "memory", "peer", "peer's time", "its memory", "target"),
    "alone": ("what", "ours", "95 %", "memory", "target"),
    "floor": ("times the floor", "95 %", "what", "ours", "floor", "its time"),
    "growth": ("times as long", "95 %", "what", "size", "ours"),
}


def markdown(title: str, facts: Mapping[str, Any], report: Report) -> str:
    """Write one section: title, machine and versions, a table for each kind of row, and the notes."""
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    parts = [f"## {title}", f"{facts['date']} · {facts['machine']} · {versions}"]
    for kind, head in HEADS.items():
        rows = [_cells(row) for row in report.rows if row.kind == kind]
        if rows:
            parts.append(markdown_table(head, rows, numbers=False))
    return "\n\n".join([*parts, *report.notes]) + "\n"


def to_json(title: str, facts: Mapping[str, Any], report: Report) -> str:
    """Write the same for machines; a median is ``[value, low, high]``."""
    rows = [asdict(row) for row in report.rows]
    return json.dumps({"title": title, **facts, "rows": rows, "notes": report.notes}, indent=1) + "\n"


def _cells(row: Row) -> list[str]:
    ours = duration(row.seconds.value)
    if row.kind == "alone":
        interval = _interval(row.seconds, duration)
        return [row.name, f"{ours} for {row.items:,}", interval, _megabytes(row.memory), row.target or "–"]
    assert row.ratio is not None  # every other kind has one
    cells = [f"**{row.ratio.value:.3g}×**", _interval(row.ratio, "{:.3g}".format), row.name]
    if row.kind == "growth":
        return [*cells, row.peer, ours]
    theirs = "–" if row.peer_seconds is None else duration(row.peer_seconds.value)
    if row.kind == "floor":
        return [*cells, ours, row.peer, theirs]
    ours, theirs = f"{ours} for {row.items:,}", f"{theirs} for {row.peer_items:,}"
    own, other = _megabytes(row.memory), _megabytes(row.peer_memory)
    return [*cells, ours, own, row.peer, theirs, other, row.target or "–"]


def _megabytes(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} MB"


def _interval(median: Median, write: Any) -> str:
    return f"{write(median.low)} – {write(median.high)}"


def duration(seconds: float) -> str:
    """Write a time with a unit that suits it.

    Example:
        >>> duration(2.5), duration(0.0123), duration(4.2e-6)
        ('2.5 s', '12.3 ms', '4.2 µs')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


SHOWN = 12  # bars


def draw(title: str, shares: Shares) -> Markup:
    """Draw the longest as bars, and the others together, with shares and microseconds a call."""
    whole = sum(seconds for _, seconds, _ in shares)
    rest = sum(seconds for _, seconds, _ in shares[SHOWN:])
    bars = [
        (
            name if calls < 2 else f"{name} (× {calls})",
            seconds / whole,
            f"{seconds / whole:.0%}, {duration(seconds)}",
        )
        for name, seconds, calls in (*shares[:SHOWN], ("all others", rest, 0))
    ]
    return bar_chart(f"Where the time of {title} goes", f"{title}: {duration(whole)} a call", bars)


def write_profile(path: str, shares: Shares, folder: Path) -> Path:
    """Draw ``profile-<path>.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"profile-{path}.svg"
    write_text(file, f"{draw(path, shares)}\n")
    return file
