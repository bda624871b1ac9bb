"""What a terminal shows of a build: a bar a stage while it runs, a table of all stages in the end."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from hf_mlm.construction.manifest import StageManifest
from hf_mlm.construction.stage import Stage


LOG = "build.log"
_PAUSE = 0.5  # seconds between two looks at the folders


@contextmanager
def shown_progress(stages: Sequence[Stage], logs: Path) -> Iterator[None]:
    """Show the finished tasks of each stage, and keep the executors' own messages in ``logs/build.log`` meanwhile.

    Finished tasks are seen by their manifests, so that it does not matter who runs them. The messages come from other
    processes as well, hence the standard error of this process is another file until the build is done.

    Args:
        stages: that are being run.
        logs: folder of the executors' logs.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with _errors_in(logs / LOG) as terminal, Progress(*_COLUMNS, console=terminal) as progress:
        bars = [progress.add_task(stage.name, start=False, total=stage.tasks) for stage in stages]
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(stages, progress, bars, done), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            _look(stages, progress, bars)


_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def summary_table(manifests: Mapping[str, StageManifest]) -> Table:
    """What each stage has given and left out.

    Args:
        manifests: of the finished stages, by name.
    """
    table = Table(title="Stages", title_justify="left")
    table.add_column("stage")
    table.add_column("rows", justify="right")
    table.add_column("left out")
    table.add_column("noticed")
    for name, manifest in manifests.items():
        table.add_row(name, f"{manifest.rows:,}", _lines(manifest.dropped), _lines(manifest.noted))
    return table


def _lines(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{count:,} {what}" for what, count in counts.items())


@contextmanager
def _errors_in(log: Path) -> Iterator[Console]:
    """Send everything that is written to file descriptor 2 into a file; gives a console on what it was."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with log.open("ab") as opened:
        os.dup2(opened.fileno(), 2)
    try:
        with os.fdopen(os.dup(terminal), "w", encoding="utf-8") as written:
            yield Console(file=written)
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(terminal)


def _watch(stages: Sequence[Stage], progress: Progress, bars: Sequence[TaskID], done: threading.Event) -> None:
    while not done.wait(_PAUSE):
        _look(stages, progress, bars)


def _look(stages: Sequence[Stage], progress: Progress, bars: Sequence[TaskID]) -> None:
    for stage, bar in zip(stages, bars, strict=True):
        progress.start_task(bar)
        finished = sum((stage.folder / f"{task:05d}.json").is_file() for task in range(stage.tasks))
        progress.update(bar, completed=finished)
        if finished < stage.tasks:
            return  # the next one waits for it
