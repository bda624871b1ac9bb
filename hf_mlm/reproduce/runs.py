"""Runs on disk: what names them, the processes that share them, and the folders that keep what is finished."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import hf_mlm
from hf_mlm.data.mmnerd.layout import IMAGE_FOLDER
from hf_mlm.files import full_disk_in_words, locked, sha256_of, write_json
from hf_mlm.reproduce.experiments import Spec, as_dict
from hf_mlm.reproduce.scales import Setup


BATCH = "per_device_train_batch_size"
RESULT, LOG = "result.json", "log.txt"
Answer = TypeVar("Answer")


def on_cpu() -> bool:
    """Whether there is no accelerator, which Accelerate and the Trainer want to be told before they form a group."""
    import torch

    return not torch.accelerator.is_available()


def processes() -> Any:
    """The `accelerate.PartialState` of this process, the same before, during and after trainings."""
    from accelerate import PartialState

    return PartialState(cpu=True) if on_cpu() else PartialState()


def from_main_process(ask: Callable[[], Answer]) -> Answer:
    """Ask on the main process, and give all of them its answer, which must be one that can be pickled."""
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([ask() if processes().is_main_process else None])[0]


def share_batch(settings: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Divide the training batch among the processes, so that a step learns from as many rows as the papers' steps.

    Raises:
        ValueError: if the processes cannot have equal shares.
    """
    count = processes().num_processes
    if BATCH in chosen or BATCH not in settings:
        return dict(settings)
    rows = settings[BATCH]
    if rows % count:
        raise ValueError(
            f"{count} processes cannot share a batch of {rows} rows: start 2, 4 or 8 of them, or name the rows of "
            f"each with --override {BATCH}=N."
        )
    return {**settings, BATCH: rows // count}


MAKERS = (
    "hf_mlm.data",
    "hf_mlm.geo",
    "hf_mlm.metrics",
    "hf_mlm.models",
    "hf_mlm.training",
    "hf_mlm.world",
    "hf_mlm.reproduce.analysis",
    "hf_mlm.reproduce.experiments",
    "hf_mlm.reproduce.runners",
    "hf_mlm.reproduce.scales",
)
KINDS = (".py", ".yaml")  # modules and recipes


@cache
def code_fingerprint(root: Path = Path(__file__).parents[2]) -> str:
    """Hash the modules and recipes that decide a run's metrics, so that no result outlives a change to them.

    In a working tree it tells every edit, comments included. Commands, pages and tables are left out.

    Raises:
        FileNotFoundError: if a package of ``MAKERS`` is not there.
    """
    digest = hashlib.sha256()
    for maker in MAKERS:
        place = root.joinpath(*maker.split("."))
        beside = place.with_suffix(".yaml")
        files = [path for path in place.rglob("*") if path.suffix in KINDS]
        files = files or [place.with_suffix(".py"), *([beside] if beside.is_file() else [])]
        for path in sorted(files):
            digest.update(f"{path.relative_to(root).as_posix()}:{sha256_of(path)};".encode())
    return digest.hexdigest()[:16]


WHOLE = 64 * 2**20  # bytes up to which a file is known by its contents, and beyond by size and time
GENERATED = "generated"


def fingerprint(data_dir: str | os.PathLike[str] | None) -> str:
    """Name the state of a dataset's files.

    Returns:
        16 hexadecimal digits of the relative names and contents of all files (of images and of files above 64 MiB:
        names, sizes, and of the latter the time), or ``"generated"``.

    Raises:
        FileNotFoundError: if there is no such folder.
    """
    if data_dir is None:
        return GENERATED
    root = Path(data_dir).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"data_dir {str(data_dir)!r} is not a folder; give the folder that holds the dataset.")
    digest = hashlib.sha256()
    for path in sorted(_files(root)):
        digest.update(f"{path.relative_to(root).as_posix()}:{_state(path)};".encode())
    return digest.hexdigest()[:16]


def _files(root: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _state(path: Path) -> str:
    stat = path.stat()
    if path.parent.name == IMAGE_FOLDER or path.suffix.lower() in (".jpg", ".jpeg", ".png"):
        return str(stat.st_size)
    if stat.st_size > WHOLE:
        return f"{stat.st_size}:{stat.st_mtime_ns}"
    return sha256_of(path)


@dataclass(frozen=True)
class Outcome:
    """Result of a run.

    Attributes:
        metrics: by name.
        counts: (N, 3) true positives, predicted and actual entities of each test sentence, in their order, for the
            bootstrap; empty where there are none.
        seconds: of training and scoring.
    """

    metrics: dict[str, float]
    counts: list[list[int]] = field(default_factory=list)
    seconds: float | None = None


@dataclass(frozen=True)
class Job:
    """A run to do: a spec with a seed, on some data."""

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
    """List the runs of a table, seed by seed, so that an interrupted table has whole columns."""
    counted = [Job(spec, 0, setup, fingerprint) for spec in specs if spec.kind == "count"]
    trained = [Job(spec, seed, setup, fingerprint) for seed in seeds for spec in specs if spec.kind != "count"]
    return counted + trained


def finished(job: Job, folder: Path) -> Outcome | None:
    """Open what a run has found.

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
    """Whether a run is not finished, and was by another version or other code, whose figures no longer count."""
    finished_ones = {path.parent.name for path in folder.glob(f"{job.stem}-*/{RESULT}")}
    return bool(finished_ones) and job.name not in finished_ones


def work(jobs: Sequence[Job], folder: Path, runners: Mapping[str, Runner]) -> Iterator[tuple[Job, Outcome]]:
    """Do the runs that are not finished, and hand out all outcomes in the order of the jobs.

    Raises:
        BlockingIOError: if another command is doing a run at this moment.
    """

    def look(job: Job) -> Outcome | None:
        return from_main_process(lambda: finished(job, folder))

    for job in jobs:
        outcome = look(job)
        if outcome is None:
            place = folder / job.name
            place.mkdir(parents=True, exist_ok=True)
            with locked(place, "reproduce") if processes().is_main_process else nullcontext():
                outcome = look(job) or _do(job, place, runners)  # by another command, a moment ago
        yield job, outcome


def _do(job: Job, place: Path, runners: Mapping[str, Runner]) -> Outcome:
    with full_disk_in_words(place, "and give the command again: finished runs are kept"):
        with _logged(place):
            outcome = runners[job.spec.kind](job, place)
        _save(job, outcome, place)
    return outcome


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
