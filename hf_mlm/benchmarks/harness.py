"""Interleaved timing of our code against a named peer: equal results first, then medians and their ratio."""

from __future__ import annotations

import cProfile
import gc
import importlib
import importlib.util
import math
import os
import platform
import pstats
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import yaml


COVERAGE = 0.95  # of the intervals
LEAST, BUDGET = 3, 6.0  # repetitions that every line has, and seconds after which it gets no more


class Median(NamedTuple):
    """A median and the interval that holds the true one with 95 %, or as nearly as so few values allow."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One line of a report; times are seconds a call, memory megabytes beyond what was there before.

    Args:
        name: of the line.
        kind: ``"peer"``, ``"alone"``, ``"floor"`` (the peer is a floor that no code could do without) or ``"growth"``.
        items: of a call of ours, ``peer_items`` of one of the peer.
        peer: package and call that we compare with; for growth, the smallest size.
        ratio: median over the pairs of (peer seconds an item) / (our seconds an item); of a floor and of growth the
            other way round.
        target: the bar, as text.
    """

    name: str
    kind: str
    seconds: Median
    items: int = 1
    peer: str = ""
    peer_seconds: Median | None = None
    peer_items: int = 1
    ratio: Median | None = None
    target: str = ""
    memory: float | None = None
    peer_memory: float | None = None


@dataclass
class Report:
    """Rows of one run, timed as they are added, and notes that belong under the tables.

    There are at most so many timed repetitions, or pairs of them; where they would take long, fewer.
    """

    repeats: int = 15
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

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
        target: str = "",
    ) -> Row:
        """Run both in turn, and record the medians and the ratio per item.

        The first run is not timed, and ``equal`` takes its results; a slow peer may take its first ``peer_items``.

        Raises:
            ValueError: where ``equal`` says no: a benchmark of unequal results is void.
        """
        peer_items = items if peer_items is None else peer_items
        (result, memory), (other, peer_memory) = peak_memory(ours), peak_memory(peer)
        if not equal(result, other):
            raise ValueError(f"{name}: our result differs from that of {peer_name}; there is nothing to time.")
        own, theirs = zip(*self._rounds(ours, peer), strict=True)
        ratio = median([(b / peer_items) / (a / items) for a, b in zip(own, theirs, strict=True)])
        times = median(own), items, peer_name, median(theirs), peer_items, ratio, target
        return self._add(Row(name, "peer", *times, memory, peer_memory))

    def floor(self, name: str, ours: Callable[[], Any], floor: Callable[[], Any], floor_name: str) -> Row:
        """Record how many times as long ours takes as a floor for any code; no results are compared."""
        ours(), floor()
        own, theirs = zip(*self._rounds(ours, floor), strict=True)
        ratio = median([a / b for a, b in zip(own, theirs, strict=True)])
        return self._add(Row(name, "floor", median(own), 1, floor_name, median(theirs), 1, ratio))

    def measure(self, name: str, ours: Callable[[], Any], *, items: int = 1, target: str = "") -> Row:
        """Record ours alone, for bars that are absolute; the first run is not timed."""
        _, memory = peak_memory(ours)
        times = [turn[0] for turn in self._rounds(ours)]
        return self._add(Row(name, "alone", median(times), items, target=target, memory=memory))

    def grow(self, name: str, make: Callable[[int], Callable[[], Any]], sizes: Sequence[int]) -> None:
        """Record how the cost grows from the first size to the others, all sizes in turn."""
        calls = [make(size) for size in sizes]
        for call in calls:
            call()
        rounds = self._rounds(*calls)
        for column, size in enumerate(sizes):
            ratio = median([turn[column] / turn[0] for turn in rounds])
            times = median([turn[column] for turn in rounds])
            peer = f"{size / sizes[0]:g}× the size"
            self._add(Row(f"{name} = {size:,}", "growth", times, peer=peer, ratio=ratio))

    def note(self, sentence: str) -> None:
        """Keep a sentence that belongs under the tables."""
        self.notes.append(sentence)

    def _rounds(self, *calls: Callable[[], Any]) -> list[list[float]]:
        """Time the calls in turn, over and over until there are enough repetitions or the time is up."""
        rounds: list[list[float]] = []
        while len(rounds) < self.repeats and (len(rounds) < LEAST or sum(map(sum, rounds)) < BUDGET):
            rounds.append([seconds(call) for call in calls])
        return rounds

    def _add(self, row: Row) -> Row:
        self.rows.append(row)
        return row


def median(values: Sequence[float]) -> Median:
    """The median, and the order statistics that enclose the true one with 95 %; of fewer than six, the extremes.

    Example:
        >>> median([5.0, 1.0, 3.0])
        Median(value=3.0, low=1.0, high=5.0)
        >>> median([float(i) for i in range(9)])
        Median(value=4.0, low=1.0, high=7.0)
    """
    ordered, n = sorted(values), len(values)
    depth = 0
    while 2 * (depth + 2) <= n and 1 - 2 * _tail(n, depth + 1) >= COVERAGE:
        depth += 1
    return Median(statistics.median(ordered), ordered[depth], ordered[n - 1 - depth])


def _tail(n: int, depth: int) -> float:
    """Probability that at most so many of n values lie below the true median."""
    return sum(math.comb(n, k) for k in range(depth + 1)) / 2**n


def peak_memory(function: Callable[[], Any]) -> tuple[Any, float | None]:
    """Call, and tell by how many megabytes the resident memory rose at most; None where the system does not tell."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    gc.collect()
    try:
        reset.write_text("5")  # the peak starts anew
        before = _status_kilobytes(status, "VmRSS")
    except OSError:
        return function(), None
    result = function()
    return result, (_status_kilobytes(status, "VmHWM") - before) / 1024


def _status_kilobytes(status: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name))


def seconds(function: Callable[[], Any]) -> float:
    """Time one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def environment(packages: Sequence[str]) -> dict[str, Any]:
    """Date (UTC), machine with its cores, threads and present load, and the versions of packages."""
    threads, load = os.environ.get("OMP_NUM_THREADS", "all"), os.getloadavg()[0]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, OMP_NUM_THREADS {threads}, load {load:.1f}",
        "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@dataclass(frozen=True)
class Benchmark:
    """A hot path with its peer.

    Its module has ``run_<name>(report, sizes)``, which measures, and ``hot_<name>()``, which gives the call that a
    profile looks at; or ``profile_<name>()``, which gives the shares, where the time is spent in another process.
    ``paths.yaml`` lists them.
    """

    name: str
    module: str
    title: str
    sizes: str
    packages: Sequence[str]
    needs: Mapping[str, str] = field(default_factory=dict)

    def function(self, kind: str) -> Any:
        """Import ``<kind>_<name>`` of its module; None where there is none.

        Raises:
            ImportError: if a package is missing that it compares with; the message says how to get it.
        """
        for distribution, module in self.needs.items():
            if importlib.util.find_spec(module) is None:
                raise ImportError(
                    f"this path needs the package {distribution}, which is not installed: pip install 'hf-mlm[bench]'."
                )
        loaded = importlib.import_module(f"hf_mlm.benchmarks.{self.module}")
        return getattr(loaded, f"{kind}_{self.name.replace('-', '_')}", None)

    def run(self, report: Report, sizes: Sequence[int]) -> None:
        """Measure, and add rows and notes to the report.

        Raises:
            ImportError: as ``function``.
            ValueError: if our result differs from the peer's.
        """
        self.function("run")(report, sizes)

    def profile(self) -> Shares:
        """Tell where the time goes.

        Raises:
            ImportError: as ``function``.
        """
        own = self.function("profile")
        return own() if own else shares_of(self.function("hot")())


_PATHS = yaml.safe_load(Path(__file__).with_name("paths.yaml").read_text(encoding="utf-8"))
BENCHMARKS = {name: Benchmark(name, **settings) for name, settings in _PATHS.items()}


CALLS, SECONDS = 20, 5.0  # of a call at most, and after how long there are no more


Shares = list[tuple[str, float, int]]  # name, seconds a call, calls a call


def shares_of(call: Callable[[], object], calls: int = CALLS) -> Shares:
    """Time spent in each function itself, the most first; time of C code counts where Python called it."""
    call()
    profiler = cProfile.Profile()
    start, done = time.perf_counter(), 0
    while done < calls and time.perf_counter() - start < SECONDS:
        profiler.runcall(call)
        done += 1
    entries = pstats.Stats(profiler).stats.items()  # type: ignore[attr-defined]
    shares = [(_name(*place), own / done, count // done) for place, (_, count, own, _, _) in entries]
    return sorted(shares, key=lambda share: -share[1])


def _name(file: str, line: int, function: str) -> str:
    """A function as people write it: built-in ones by their type, others by their file.

    Example:
        >>> _name("~", 0, "<built-in method torch.add>"), _name("/a/b/nt_xent.py", 9, "backward")
        ('torch.add', 'nt_xent.py: backward')
        >>> _name("~", 0, "<method 'add_' of 'torch._C.TensorBase' objects>")
        'TensorBase.add_'
    """
    if file == "~":
        name = function.strip("<>").removeprefix("built-in ").removeprefix("method ")
        method, _, owner = name.partition(" of ")  # "'add_' of 'torch._C.TensorBase' objects"
        kind = owner.removesuffix(" objects").strip("'").rpartition(".")[2]
        return f"{kind}.{method}".replace("'", "") if kind else name
    return f"{Path(file).name}: {function}"
