"""Runs stages by datatrove's executors: on this machine, by Slurm or by Ray."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.executor.base import PipelineExecutor
from datatrove.pipeline.base import PipelineStep

from hf_mlm.construction.manifest import MANIFEST
from hf_mlm.construction.stage import Stage


POLITE_TASKS = 3  # concurrent requests that the Wikimedia APIs allow; a task has one request at a time
Watch: TypeAlias = Callable[[Sequence[Stage], Path], AbstractContextManager[None]]
_EXECUTORS = {"local": LocalPipelineExecutor, "slurm": SlurmPipelineExecutor, "ray": RayPipelineExecutor}


@dataclass(frozen=True)
class ExecutorSettings:
    """Where and how wide stages run; none of this changes what they give.

    Attributes:
        kind: ``"local"``, ``"slurm"`` or ``"ray"``.
        workers: how many tasks run at once; at most three of a stage that asks a public service.
        options: arguments for datatrove's executor, such as ``{"time": "10:00:00", "partition": "cpu"}`` for Slurm.

    Raises:
        ValueError: if the kind is unknown or there is no worker.
    """

    kind: str = "local"
    workers: int = 1
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in _EXECUTORS:
            raise ValueError(f"executor={self.kind!r}: choose one of {', '.join(_EXECUTORS)}.")
        if self.workers < 1:
            raise ValueError(f"workers={self.workers}: at least one task has to run at a time.")

    @classmethod
    def load(cls, kind: str, workers: int, options: Path | None) -> ExecutorSettings:
        """The same with options from a YAML file, if one is given.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is no mapping, the kind is unknown or there is no worker.
        """
        if options is not None and not options.is_file():
            raise FileNotFoundError(f"there is no file {options} of the executor's arguments.")
        content = {} if options is None else yaml.safe_load(options.read_text(encoding="utf-8")) or {}
        if not isinstance(content, dict):
            raise ValueError(f"{options} has to be a mapping such as 'partition: cpu'.")
        return cls(kind, workers, content)


def run_stages(stages: Sequence[Stage], logs: Path, settings: ExecutorSettings) -> None:
    """Run stages in order; what an earlier run has finished is not done again.

    Local and Ray runs return when everything is done. Slurm jobs are submitted, each waiting for the one before.

    Args:
        stages: each reads what those before it have written.
        logs: folder for datatrove's logs, statistics and completion marks.
        settings: where to run.

    Raises:
        OSError: if a task failed under Ray, which reports failures only in its log; local failures raise their own.
    """
    jobs: list[PipelineExecutor] = []
    for stage in stages:
        if settings.kind != "slurm" and stage.is_sealed():
            continue
        _forget_lost_tasks(stage, logs)
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
            f"{len(missing)} of the {executor.world_size} tasks of the stage {stage.name!r} failed, the first is task "
            f"{missing[0]}; its log says why. Run the same command again: finished tasks are kept."
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


def _forget_lost_tasks(stage: Stage, logs: Path) -> None:
    """Take back the completion mark of tasks whose files have gone, and the seal with them."""
    for task in range(stage.tasks):
        mark = logs / stage.name / "completions" / f"{task:05d}"
        if mark.exists() and not stage.is_finished(task):
            mark.unlink()
    if not stage.is_sealed():
        (logs / f"{stage.name}-seal" / "completions" / "00000").unlink(missing_ok=True)
        (stage.folder / MANIFEST).unlink(missing_ok=True)
