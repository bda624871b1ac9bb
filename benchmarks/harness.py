"""Interleaved timing of our code against a named peer: equal results first, then medians and their ratio.

A benchmark file is run as ``python benchmarks/bench_x.py``; it fills one ``Report`` and prints it: a Markdown table
for people and one JSON line (machine, versions, date, every row) for machines.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of a report; seconds are medians over the repeats, per call."""

    name: str
    peer: str
    items: int
    seconds: float
    peer_items: int
    peer_seconds: float | None = None
    ratio: float | None = None  # median over the pairs of (peer seconds per item) / (our seconds per item)
    target: str = ""

    def markdown(self) -> str:
        """The line of the Markdown table."""
        peer = "–" if self.peer_seconds is None else f"{_duration(self.peer_seconds)} for {self.peer_items:,}"
        ratio = "–" if self.ratio is None else f"**{self.ratio:.1f}×**"
        ours = f"{_duration(self.seconds)} for {self.items:,}"
        return f"| {self.name} | {ours} | {self.peer or '–'} | {peer} | {ratio} | {self.target or '–'} |"


class Report:
    """Rows of one benchmark file.

    Args:
        title: what is measured.
        packages: distributions whose versions belong beside the figures.
    """

    def __init__(self, title: str, packages: Sequence[str] = ("numpy",)) -> None:
        self.title = title
        self.packages = packages
        self.rows: list[Row] = []

    def compare(
        self,
        name: str,
        ours: Callable[[], Any],
        peer: Callable[[], Any],
        *,
        peer_name: str,
        equal: Callable[[Any, Any], bool],
        items: int = 1,
        peer_items: int | None = None,
        repeats: int = 5,
        target: str = "",
    ) -> Row:
        """Run both in turn ``repeats`` times and record the medians and the ratio per item.

        Args:
            name: the line's label.
            ours: our code; its result goes to ``equal``.
            peer: the peer's code on the same input, or on its first ``peer_items`` items where it is slow.
            peer_name: package and call that we compare with.
            equal: takes both results of the first run, which is not timed; a benchmark of unequal results is void.
            items: how many items ``ours`` handles in one call.
            peer_items: the same for ``peer``; equal to ``items`` when omitted.
            repeats: timed pairs.
            target: the bar that the ratio has to clear, as text.

        Raises:
            ValueError: where ``equal`` says no.
        """
        peer_items = items if peer_items is None else peer_items
        if not equal(ours(), peer()):
            raise ValueError(f"{name}: our result differs from that of {peer_name}; there is nothing to time.")
        pairs = [(_seconds(ours), _seconds(peer)) for _ in range(repeats)]
        ratio = statistics.median((theirs / peer_items) / (own / items) for own, theirs in pairs)
        medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
        row = Row(name, peer_name, items, medians[0], peer_items, medians[1], ratio, target)
        self.rows.append(row)
        return row

    def measure(
        self, name: str, ours: Callable[[], Any], *, items: int = 1, repeats: int = 5, target: str = ""
    ) -> Row:
        """Record the median seconds of ``ours`` alone, for bars that are absolute; the first run is not timed."""
        ours()
        row = Row(name, "", items, statistics.median(_seconds(ours) for _ in range(repeats)), 0, target=target)
        self.rows.append(row)
        return row

    def show(self) -> None:
        """Print the Markdown table and the JSON line."""
        facts = {"title": self.title, **environment(self.packages)}
        print(f"### {self.title}\n")
        versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
        print(f"{facts['date']} · {facts['machine']} · {versions}\n")
        print("| what | ours | peer | peer's time | ratio | target |\n|---|---|---|---|---|---|")
        print("\n".join(row.markdown() for row in self.rows))
        print("\n" + json.dumps({**facts, "rows": [asdict(row) for row in self.rows]}))


def environment(packages: Sequence[str]) -> dict[str, Any]:
    """Date (UTC), machine with its cores and present load, and the versions that the figures depend on."""
    cores, load = os.cpu_count(), os.getloadavg()[0]
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": f"{_processor()}, {cores} cores, load {load:.1f}",
        "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
    }


def _seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
