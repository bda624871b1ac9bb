"""Reproduce a table: do the runs that are not finished, and write published values beside ours."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import hf_mlm
from hf_mlm.files import write_text
from hf_mlm.reproduce import runs
from hf_mlm.reproduce.catalog import find_table
from hf_mlm.reproduce.experiments import Table
from hf_mlm.reproduce.page import render, to_csv, to_markdown
from hf_mlm.reproduce.planning import estimate, missing
from hf_mlm.reproduce.published import validation_curves
from hf_mlm.reproduce.runs import GENERATED, Job, Outcome, Runner, finished, outdated, processes
from hf_mlm.reproduce.scales import PLACES, SEEDS, Setup, demo_tree
from hf_mlm.reproduce.tables import by_spec, fill
from hf_mlm.runs.checkpoints import interruptible


SET_BY = {"seed": "--seeds", "output_dir": "--output"}  # what the command sets for each run
Notice = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """A table to reproduce."""

    table: Table
    setup: Setup
    seeds: tuple[int, ...]
    output: Path
    chosen: Mapping[str, str] = field(default_factory=dict)

    @property
    def stem(self) -> Path:
        """Where the table is written, without the ending; a part of a table has a place of its own."""
        part = "".join(f"-{re.sub('[^A-Za-z0-9.+]+', '-', name)}" for name in self.chosen.values())
        return self.output / f"{self.table.paper}-{self.table.number}{part}-{self.setup.scale}"


def request(
    paper: str,
    number: str,
    setup: Setup,
    output: Path,
    seeds: Sequence[int] = (),
    only: str | None = None,
    dataset: str | None = None,
) -> Request:
    """Put a request together; seeds are the scale's when omitted, ``only`` keeps a system and ``dataset`` a data set.

    Raises:
        ValueError: if there is no such paper, table, system or data set, a seed is given twice, or what the command
            sets itself is overridden.
    """
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"--seeds {','.join(map(str, seeds))} names a seed twice, which would count one run as two.")
    for name, option in SET_BY.items():
        if name in setup.overrides:
            raise ValueError(f"--override {name}={setup.overrides[name]} would change nothing: give it as {option}.")
    table = find_table(paper, number)
    table = table.only(only) if only else table
    wanted = dataset or table.dataset
    table = table.on(wanted) if wanted else table
    chosen = {name: value for name, value in (("only", only), ("dataset", dataset)) if value}
    usual = (table.seeds if setup.scale == "full" else ()) or SEEDS[setup.scale]
    return Request(table, setup, tuple(seeds) or usual, output, chosen)


def jobs_of(asked: Request) -> list[Job]:
    """List the runs of a request; nothing is trained, though generated data may be laid out.

    Raises:
        FileNotFoundError: if there is no folder of data.
    """
    setup = asked.setup
    if setup.scale == "smoke" and asked.table.paper == "2m-ner":
        with processes().main_process_first():
            setup = replace(setup, data_dir=str(demo_tree(asked.output / "data", PLACES)))
        return runs.plan(asked.table.specs, asked.seeds, setup, f"{GENERATED}-{PLACES}")
    return runs.plan(asked.table.specs, asked.seeds, setup, runs.fingerprint(setup.data_dir))


def check(asked: Request) -> None:
    """Name all that is missing, before anything is trained.

    Raises:
        ValueError: one line for each thing that is missing, with the way out.
    """
    lacking = missing(asked.table.paper, asked.table.specs, asked.setup)
    if lacking:
        raise ValueError("\n  ".join(["this cannot be run yet:", *lacking]) if len(lacking) > 1 else lacking[0])


def reproduce(asked: Request, runners: Mapping[str, Runner], notice: Notice = lambda line: None) -> list[Path]:
    """Run what is not finished, and write the table, also with what there is when something interrupts.

    Raises:
        ValueError: if something is missing.
    """
    check(asked)
    jobs = jobs_of(asked)
    folder = asked.output / "runs"
    waiting = [job for job in jobs if finished(job, folder) is None]
    notice(f"{len(jobs)} runs, {len(jobs) - len(waiting)} of them finished already.")
    if old := sum(outdated(job, folder) for job in waiting):
        notice(f"{old} of them were finished by another version or other code; they are kept, and done anew.")
    try:
        with interruptible():
            for place, (job, outcome) in enumerate(runs.work(jobs, folder, runners), 1):
                took = "" if outcome.seconds is None else f" in {outcome.seconds:,.0f} s"
                notice(f"[{place}/{len(jobs)}] {job.spec.name}, seed {job.seed}{took}")
    except KeyboardInterrupt:
        notice("Interrupted: the same command goes on, and runs that are finished are kept.")
        raise
    finally:
        files = write(asked, [(job, found) for job in jobs if (found := finished(job, folder))])
    return files


def write(asked: Request, done: Sequence[tuple[Job, Outcome]]) -> list[Path]:
    """Write a table with what is finished, on the main process alone."""
    table = asked.table
    files = [asked.stem.with_name(asked.stem.name + ending) for ending in (".md", ".csv", ".html")]
    if processes().is_main_process:
        entries = fill(table, by_spec(done))
        curves = validation_curves() if (table.paper, table.number) in (("mlm", "3"), ("mlm", "4")) else None
        about = facts(asked)
        contents = (
            to_markdown(table, entries, about),
            to_csv(table, entries),
            render(table, entries, about, curves),
        )
        for path, content in zip(files, contents, strict=True):
            write_text(path, content)
    return files


def facts(asked: Request) -> list[str]:
    """How a table comes about, in a few words each."""
    changed = _changes(asked.setup)
    words = ["hf-mlm", "reproduce", asked.table.paper, "--table", asked.table.number, "--scale", asked.setup.scale]
    words += [word for name, value in asked.chosen.items() for word in (f"--{name}", value)]
    return [
        "smoke scale: tiny models on a little generated data show that all works; their figures compare with nothing"
        if asked.setup.scale == "smoke"
        else f"full scale: the paper's settings{', but for those that the command changes' if changed else ''}",
        f"seeds {', '.join(map(str, asked.seeds))}",
        f"hf-mlm {hf_mlm.__version__}",
        shlex.join([*words, *changed]),
    ]


def _changes(setup: Setup) -> list[str]:
    """The options of a command that change what is trained."""
    others = {name: getattr(setup, name) for name in ("word_vectors", "checkpoint", "regions")}
    named = {**setup.encoders, **{name: value for name, value in others.items() if value}}
    words = [word for name, source in named.items() for word in (f"--{name}", source)]
    settings = [f"{name}={json.dumps(value)}" for name, value in setup.overrides.items()]
    return [*words, *(word for setting in settings for word in ("--override", setting))]


def outline(asked: Request) -> list[str]:
    """List the runs of a request, and what is missing or, at full scale, how long they will take here."""
    lacking = missing(asked.table.paper, asked.table.specs, asked.setup)
    if lacking:
        names = [f"{spec.name}, seed {seed}" for seed in asked.seeds for spec in asked.table.specs]
        return [*names, "", "Missing:", *(f"  {line}" for line in lacking)]
    jobs = jobs_of(asked)
    states = [_state(job, asked.output / "runs") for job in jobs]
    lines = [f"{state:<9}{job.spec.name}, seed {job.seed}" for job, state in zip(jobs, states, strict=True)]
    waiting = [job for job, state in zip(jobs, states, strict=True) if state != "finished"]
    return [*lines, "", *estimate(waiting)] if asked.setup.scale == "full" and waiting else lines


def _state(job: Job, folder: Path) -> str:
    if finished(job, folder):
        return "finished"
    return "outdated" if outdated(job, folder) else "to do"
