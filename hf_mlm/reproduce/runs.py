"""Which code makes a result, so that a run that is kept does not outlive a change to what made it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import hf_mlm
from hf_mlm.files import full_disk_in_words, sha256_of, write_json
from hf_mlm.reproduce.experiments import Spec, as_dict
from hf_mlm.reproduce.processes import BATCH, from_main_process, processes
from hf_mlm.reproduce.scales import Setup


MAKERS = (
    "data",
    "geo",
    "metrics",
    "models",
    "training",
    "world",
    "reproduce/experiments.py",
    "reproduce/grid.py",
    "reproduce/runners.py",
    "reproduce/scales.py",
    "reproduce/search.py",
)
KINDS = (".py", ".yaml")  # modules and recipes


@cache
def code_fingerprint(package: Path = Path(__file__).parents[1]) -> str:
    """Name the state of the modules and recipes that decide a run's figures.

    An installed release never changes, so there it says no more than the version; in a working tree it tells every
    edit, comments included. Commands, pages, tables and published figures are left out: they decide nothing.

    Args:
        package: folder of the package.

    Returns:
        16 hexadecimal digits, read once a process.
    """
    digest = hashlib.sha256()
    for maker in MAKERS:
        place = package / maker
        files = [place] if place.is_file() else [path for path in place.rglob("*") if path.suffix in KINDS]
        for path in sorted(files):
            digest.update(f"{path.relative_to(package).as_posix()}:{sha256_of(path)};".encode())
    return digest.hexdigest()[:16]


RESULT, LOG, LOCK = "result.json", "log.txt", ".lock"


@dataclass(frozen=True)
class Outcome:
    """What a run has found.

    Attributes:
        metrics: figures by name.
        counts: (N, 3) true positives, predicted and actual entities of each test sentence, in their order, for the
            bootstrap; empty where there are none.
        seconds: that it took.
    """

    metrics: dict[str, float]
    counts: list[list[int]] = field(default_factory=list)
    seconds: float | None = None


@dataclass(frozen=True)
class Job:
    """A run to do: a spec with a seed, on some data.

    Attributes:
        spec: what is run.
        seed: of the training; 0 of what has none.
        setup: scale, data and weights.
        fingerprint: of the data.
    """

    spec: Spec
    seed: int
    setup: Setup
    fingerprint: str

    @property
    def stem(self) -> str:
        """Beginning of the folder's name: what is asked, readable, and a hash of it with scale, weights and data."""
        readable = re.sub(r"[^a-z0-9.]+", "-", self.spec.name.lower()).strip("-")
        setup = {name: value for name, value in asdict(self.setup).items() if name != "data_dir" and value}
        if BATCH in self.setup.overrides and (count := processes().num_processes) > 1:
            setup["processes"] = count  # each has that batch, so that a step learns from as many times the rows
        return f"{readable}-seed{self.seed}-{_hash(as_dict(self.spec), self.seed, setup, self.fingerprint)}"

    @property
    def name(self) -> str:
        """Name of its folder, which another spec, seed, scale, weights, data, version or code changes."""
        return f"{self.stem}-{_hash(hf_mlm.__version__, code_fingerprint())}"


def _hash(*content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


Runner = Callable[[Job, Path], Outcome]


def plan(specs: Sequence[Spec], seeds: Sequence[int], setup: Setup, fingerprint: str) -> list[Job]:
    """List the runs of a table, seed by seed, so that an interrupted table has whole columns.

    Args:
        specs: what is run.
        seeds: of the trainings; counts have none.
        setup: scale, data and weights.
        fingerprint: of the data.
    """
    counted = [Job(spec, 0, setup, fingerprint) for spec in specs if spec.kind == "count"]
    trained = [Job(spec, seed, setup, fingerprint) for seed in seeds for spec in specs if spec.kind != "count"]
    return counted + trained


def finished(job: Job, folder: Path) -> Outcome | None:
    """Open what a run has found.

    Args:
        job: the run.
        folder: of all runs.

    Returns:
        None if it is not finished.

    Raises:
        ValueError: if its file is damaged.
    """
    path = folder / job.name / RESULT
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Outcome(found["metrics"], found["counts"], found["seconds"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error!r}): remove it, and the run is done again.") from error


def outdated(job: Job, folder: Path) -> bool:
    """Whether a run is not finished, and was by another version or other code, whose figures no longer count.

    Args:
        job: the run.
        folder: of all runs.
    """
    finished_ones = {path.parent.name for path in folder.glob(f"{job.stem}-*/{RESULT}")}
    return bool(finished_ones) and job.name not in finished_ones


def work(jobs: Sequence[Job], folder: Path, runners: Mapping[str, Runner]) -> Iterator[tuple[Job, Outcome]]:
    """Do the runs that are not finished, and hand out all outcomes in the order of the jobs.

    Args:
        jobs: of a table.
        folder: of all runs.
        runners: what does a run, by ``spec.kind``.

    Raises:
        ValueError: if another command is doing a run at this moment.
    """
    for job in jobs:
        outcome = _look(job, folder)
        if outcome is None:
            place = folder / job.name
            place.mkdir(parents=True, exist_ok=True)
            with _alone(place):
                outcome = _look(job, folder) or _do(job, place, runners)  # by another command, a moment ago
        yield job, outcome


def _look(job: Job, folder: Path) -> Outcome | None:
    """Open what a run has found, on all processes what the main one sees."""
    return from_main_process(lambda: finished(job, folder))


def _do(job: Job, place: Path, runners: Mapping[str, Runner]) -> Outcome:
    with full_disk_in_words(place, "and give the command again: finished runs are kept"):
        with _logged(place):
            outcome = runners[job.spec.kind](job, place)
        _save(job, outcome, place)
    return outcome


def _alone(place: Path) -> AbstractContextManager[Any]:
    """Keep other commands out of a run's folder, as long as the main process lives.

    Raises:
        ValueError: if another command is in it.
    """
    from filelock import FileLock, Timeout

    if not processes().is_main_process:
        return nullcontext()
    try:
        return FileLock(place / LOCK).acquire(timeout=0)
    except Timeout as error:
        raise ValueError(
            f"another command is at work in {place}: wait for it and give this one again, which keeps what is "
            "finished, or choose another --output."
        ) from error
    except OSError:  # a network's file system that knows no locks
        return nullcontext()


@contextmanager
def _logged(place: Path) -> Iterator[None]:
    """Send what a Trainer says, a line of figures at every step that it logs, to a file of the run."""
    log = place / LOG if processes().is_main_process else Path(os.devnull)
    with log.open("a", encoding="utf-8") as stream, redirect_stdout(stream):
        yield


def _save(job: Job, outcome: Outcome, place: Path) -> None:
    """Note an outcome with all that led to it, on the main process alone."""
    if processes().is_main_process:
        about = {"spec": as_dict(job.spec), "seed": job.seed, "setup": asdict(job.setup), "data": job.fingerprint}
        made = {"version": hf_mlm.__version__, "code": code_fingerprint()}
        write_json({**about, **made, **asdict(outcome)}, place / RESULT)
