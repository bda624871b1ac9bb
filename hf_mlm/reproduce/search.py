"""A grid for ``Trainer.hyperparameter_search``, whose own backends need Optuna, Ray or Weights & Biases.

Points are tried in order, each in its own folder; what a point has reached is noted at once, so that an interrupted
search goes on, and within a point from its last checkpoint.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, cast

from transformers import Trainer, trainer
from transformers.hyperparameter_search import HyperParamSearchBackendBase
from transformers.trainer_utils import BestRun, HPSearchBackend

from hf_mlm.files import write_json
from hf_mlm.reproduce.experiments import GridSpec, TaggerSpec
from hf_mlm.reproduce.processes import share_batch
from hf_mlm.reproduce.runners import write_recipe
from hf_mlm.reproduce.runs import Job, Outcome
from hf_mlm.reproduce.scales import settings_of
from hf_mlm.runs.checkpoints import last_complete_checkpoint


NOTES = "grid.json"
Point = dict[str, float]


def grid_points(values: Mapping[str, Sequence[float]]) -> list[Point]:
    """List the points of a grid, the last name running fastest.

    Example:
        >>> grid_points({"alpha": [0.5, 0.8], "learning_rate": [1e-5]})
        [{'alpha': 0.5, 'learning_rate': 1e-05}, {'alpha': 0.8, 'learning_rate': 1e-05}]
    """
    return [dict(zip(values, point, strict=True)) for point in product(*values.values())]


def point_name(point: Point) -> str:
    """What a point is called in notes and folders.

    Example:
        >>> point_name({"alpha": 0.8, "learning_rate": 5e-5})
        'alpha=0.8,learning_rate=5e-05'
    """
    return ",".join(f"{name}={value:g}" for name, value in point.items())


def search_grid(searched: Trainer, points: Sequence[Point], objective: str, folder: Path) -> dict[str, float]:
    """Try every point of a grid by ``Trainer.hyperparameter_search``.

    Args:
        searched: a trainer with a ``model_init`` that takes the point as its trial. Names in a point that are fields
            of its ``TrainingArguments`` are set there.
        points: of the grid.
        objective: name of the metric, the higher the better.
        folder: gets ``grid.json`` and a folder a point.

    Returns:
        What each point has reached, by `point_name`.
    """
    with _grid_offered():
        searched.hyperparameter_search(
            hp_space=lambda trial: trial,
            compute_objective=lambda metrics: metrics[objective],
            n_trials=len(points),
            direction="maximize",
            backend=HPSearchBackend.OPTUNA,
            points=points,
            folder=folder,
        )
    return read_notes(folder)


def read_notes(folder: Path) -> dict[str, float]:
    """What the points that are finished have reached."""
    path = folder / NOTES
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


class GridBackend(HyperParamSearchBackendBase):
    """Tries the points that it is given, as a backend of ``Trainer.hyperparameter_search``."""

    name = "grid"

    @staticmethod
    def is_available() -> bool:
        """Whether it can be used: always."""
        return True

    def run(self, trainer: Any, n_trials: int, direction: Any, **kwargs: Any) -> BestRun:
        """Train and evaluate at every point that has no note.

        Args:
            trainer: that searches.
            n_trials: number of points.
            direction: ``"maximize"``.
            **kwargs: ``points`` and ``folder``.
        """
        folder, points = kwargs["folder"], kwargs["points"]
        trainer.hp_search_backend = None  # Optuna's place was borrowed, not Optuna itself
        reached = read_notes(folder)
        for point in points:
            if point_name(point) not in reached:
                reached[point_name(point)] = self._try(trainer, point, folder / point_name(point))
                if trainer.is_world_process_zero():
                    write_json(reached, folder / NOTES)
        best = max(points, key=lambda point: reached[point_name(point)])
        return BestRun(point_name(best), reached[point_name(best)], best)

    def _try(self, trainer: Any, point: Point, folder: Path) -> float:
        trainer.args.output_dir = str(folder)
        for name, value in point.items():
            if hasattr(trainer.args, name):
                setattr(trainer.args, name, value)
        trainer.train(resume_from_checkpoint=last_complete_checkpoint(folder), trial=point)
        return float(trainer.compute_objective(trainer.evaluate()))


@contextmanager
def _grid_offered() -> Iterator[None]:
    """Lend the grid a place among the backends, for ``hyperparameter_search`` takes none from elsewhere."""
    backends = trainer.ALL_HYPERPARAMETER_SEARCH_BACKENDS
    lender = backends[HPSearchBackend.OPTUNA]
    backends[HPSearchBackend.OPTUNA] = GridBackend
    try:
        yield
    finally:
        backends[HPSearchBackend.OPTUNA] = lender


def run_grid(job: Job, folder: Path) -> Outcome:
    """Train 2M-NER at every point of the grid and score it on validation; the test split is not looked at.

    Args:
        job: with a `GridSpec`.
        folder: of the run.
    """
    from hf_mlm.runs.settings import parse_settings
    from hf_mlm.training.taggers.arguments import NERArguments, NERTrainingArguments
    from hf_mlm.training.taggers.building import build_tagger
    from hf_mlm.training.taggers.data import load_sentences
    from hf_mlm.training.taggers.train import build_trainer

    spec = cast(GridSpec, job.spec)
    settings = settings_of(TaggerSpec("2M-NER", spec.dataset), job.setup, job.seed, folder / "model")
    words = ["--config", str(write_recipe(share_batch(settings, job.setup.overrides), folder))]
    arguments, training = parse_settings([NERArguments, NERTrainingArguments], words, "hf-mlm reproduce")
    began = time.monotonic()
    with training.main_process_first(desc="preparing the sentences"):
        dataset = load_sentences(arguments)
        trainer = build_trainer(arguments, training, dataset)

    def model_init(trial: dict[str, float] | None) -> Any:
        weighted = {**arguments.model, **({"alpha": trial["alpha"]} if trial else {})}
        changed = dataclasses.replace(arguments, model=weighted)
        return build_tagger(changed, dataset, trainer.processing_class)[0]

    trainer.model_init = model_init
    points = grid_points({"alpha": spec.alphas, "learning_rate": spec.learning_rates})
    reached = search_grid(trainer, points, "eval_f1", folder)
    trainer.free_models()
    return Outcome({f"eval_f1,{point}": value for point, value in reached.items()}, [], time.monotonic() - began)
