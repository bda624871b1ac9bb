"""Builds: stages run by datatrove's executors, on this machine, by Slurm or by Ray, with progress in the terminal."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.executor.base import PipelineExecutor
from datatrove.pipeline.base import PipelineStep
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from hf_mlm.construction.stage import MANIFEST, Stage, StageManifest
from hf_mlm.files import full_disk_in_words, locked, write_text


RECORD = "build.json"
POLITE_TASKS = 3  # concurrent requests that the Wikimedia APIs allow; a task has one request at a time
Watch: TypeAlias = Callable[[Sequence[Stage], Path], AbstractContextManager[None]]
_EXECUTORS = {"local": LocalPipelineExecutor, "slurm": SlurmPipelineExecutor, "ray": RayPipelineExecutor}


@dataclass(frozen=True)
class ExecutorSettings:
    """Place and width of a run; nothing here changes its output.

    Attributes:
        kind: ``"local"``, ``"slurm"`` or ``"ray"``.
        workers: tasks that run at once; at most three of a stage that asks a public service.
        options: arguments for datatrove's executor, such as ``{"time": "10:00:00", "partition": "cpu"}`` for Slurm.

    Raises:
        ValueError: if the kind is unknown or there is no worker.
    """

    kind: str = "local"
    workers: int = 1
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in _EXECUTORS:
            raise ValueError(f"Expected executor to be one of {', '.join(_EXECUTORS)}, found {self.kind!r}.")
        if self.workers < 1:
            raise ValueError(f"Expected at least 1 worker, found workers={self.workers}.")

    @classmethod
    def load(cls, kind: str, workers: int, options: Path | None) -> ExecutorSettings:
        """Make settings with options from a YAML file, if one is given.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is no mapping, the kind is unknown or there is no worker.
        """
        return cls(kind, workers, {} if options is None else read_mapping(options, "partition: cpu", yaml.SafeLoader))


class PlainWords(yaml.SafeLoader):
    """YAML whose ``no``, ``yes``, ``on`` and ``off`` are words, as YAML 1.2 has them: ``no`` is Norwegian."""


PlainWords.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":bool") or letter in "tTfF"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_mapping(path: Path, example: str, loader: type[yaml.SafeLoader] = PlainWords) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty one gives none.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no YAML or no mapping.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a YAML file with lines such as '{example}', found no file {path}.")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), loader) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"Expected YAML in {path}, found {' '.join(str(error).split())}; correct it.") from error
    if not isinstance(content, dict):
        raise ValueError(f"Expected a mapping such as '{example}' in {path}, found {content!r}.")
    return content


def run_build(
    target: Path,
    record: Mapping[str, Any],
    stages: Sequence[Stage],
    executor: ExecutorSettings | None = None,
    watch: Watch | None = None,
) -> dict[str, StageManifest]:
    """Run the stages of a build in its folder, or go on with a build that was interrupted, be it by ``kill -9``.

    Args:
        target: folder of the build.
        record: everything that decides about the output; a folder holds one build.
        stages: in order.
        executor: where to run; here, one task at a time, when omitted.
        watch: entered with the stages and the folder of logs while the stages run, to show progress.

    Returns:
        the manifests of the finished stages by name; fewer than all when Slurm has yet to run.

    Raises:
        ValueError: if ``target`` holds a build of something else, or of another version of the code.
        BlockingIOError: if another process builds in ``target``.
        OSError: if a service does not answer or the disk is full; running again goes on.
    """
    logs = target / "logs"
    remedy = "and run the same command again: finished tasks are kept"
    with locked(target, "build"), full_disk_in_words(target, remedy):
        check_record(target / RECORD, record)
        with watch(stages, logs) if watch else nullcontext():
            run_stages(stages, logs, executor or ExecutorSettings())
    return {stage.name: StageManifest.load(stage.folder / MANIFEST) for stage in stages if stage.is_sealed()}


def check_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write the record of a build, or compare it with the one that the folder holds.

    Args:
        path: of the record, in the folder.
        record: everything that decides about the build.

    Raises:
        ValueError: if the folder holds a build of something else.
    """
    if not path.is_file():
        write_text(path, json.dumps(record, indent=1, ensure_ascii=False))
        return
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        earlier = {}
    names = {"edition": "build config", "code": "version of the code"}
    differing = [names.get(name, name) for name, value in record.items() if earlier.get(name) != value]
    if differing:
        raise ValueError(
            f"Expected a build with the same {', '.join(differing)}, found another in {path.parent}, see {path.name}; "
            "give an empty folder, or the settings that it was begun with."
        )


def run_stages(stages: Sequence[Stage], logs: Path, settings: ExecutorSettings) -> None:
    """Run stages in order, without those that an earlier run has finished.

    Local and Ray runs return when everything is done. Slurm jobs are submitted, each waiting for the one before.

    Raises:
        OSError: if a task failed under Ray, which reports failures only in its log; local failures raise their own.
    """
    jobs: list[PipelineExecutor] = []
    for stage in stages:
        if settings.kind != "slurm" and stage.is_sealed():
            continue
        _reset_lost_tasks(stage, logs)
        mapper = _mapper(stage, logs, settings)
        if settings.kind == "slurm":
            for executor in (mapper, _sealer(stage, logs, settings)):
                executor.depends = jobs[-1] if jobs else None
                jobs.append(executor)
        else:
            _run_now(mapper, stage)
    if jobs:
        jobs[-1].run()


def _run_now(executor: PipelineExecutor, stage: Stage) -> None:
    executor.run()
    missing = executor.get_incomplete_ranks(skip_completed=True)
    if missing:
        raise OSError(
            f"Expected {executor.world_size} finished tasks of the stage {stage.name!r}, found {len(missing)} that "
            f"failed, the first of them task {missing[0]}, whose log has the reason; run the same command again, "
            "finished tasks are kept."
        )
    stage.seal()(None)


def _mapper(stage: Stage, logs: Path, settings: ExecutorSettings) -> PipelineExecutor:
    workers = min(settings.workers, stage.tasks, POLITE_TASKS if stage.polite else stage.tasks)
    return _executor(stage.pipeline(), stage.tasks, workers, logs / stage.name, stage.name, settings)


def _sealer(stage: Stage, logs: Path, settings: ExecutorSettings) -> PipelineExecutor:
    return _executor([stage.seal()], 1, 1, logs / f"{stage.name}-seal", f"{stage.name}-seal", settings)


def _executor(
    pipeline: list[PipelineStep], tasks: int, workers: int, logs: Path, name: str, settings: ExecutorSettings
) -> PipelineExecutor:
    named = {"job_name": name} if settings.kind == "slurm" else {}
    return _EXECUTORS[settings.kind](
        pipeline, tasks=tasks, workers=workers, logging_dir=str(logs), **named, **settings.options
    )


def _reset_lost_tasks(stage: Stage, logs: Path) -> None:
    """Take back the completion mark of tasks whose files have gone, and the seal with them."""
    for task in range(stage.tasks):
        mark = logs / stage.name / "completions" / f"{task:05d}"
        if mark.exists() and not stage.is_finished(task):
            mark.unlink()
    if not stage.is_sealed():
        (logs / f"{stage.name}-seal" / "completions" / "00000").unlink(missing_ok=True)
        (stage.folder / MANIFEST).unlink(missing_ok=True)


LOG = "build.log"
_PAUSE = 0.5  # seconds between two looks at the folders
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


@contextmanager
def shown_progress(stages: Sequence[Stage], logs: Path) -> Iterator[None]:
    """Show the finished tasks of each stage, and keep the executors' own messages in ``logs/build.log`` meanwhile.

    Finished tasks are seen by their manifests, so that it does not matter who runs them. The messages come from other
    processes as well, hence the standard error of this process is another file until the build is done.
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
            _update(stages, progress, bars)


def summary_table(manifests: Mapping[str, StageManifest]) -> Table:
    """Tabulate the results of each stage, and the counts of what it dropped and noticed.

    The dataset counts entities, and not the rows of all its tables.
    """
    table = Table(title="Stages", title_justify="left")
    table.add_column("stage")
    table.add_column("results", justify="right")
    table.add_column("left out")
    table.add_column("noticed")
    for name, manifest in manifests.items():
        table.add_row(name, f"{manifest.results:,}", _lines(manifest.dropped), _lines(manifest.noted))
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
        _update(stages, progress, bars)


def _update(stages: Sequence[Stage], progress: Progress, bars: Sequence[TaskID]) -> None:
    for stage, bar in zip(stages, bars, strict=True):
        progress.start_task(bar)
        finished = sum((stage.folder / f"{task:05d}.json").is_file() for task in range(stage.tasks))
        progress.update(bar, completed=finished)
        if finished < stage.tasks:
            return  # the next one waits for it
