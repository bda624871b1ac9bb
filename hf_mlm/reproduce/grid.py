"""The search for α and learning rate on the validation set as one run."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any, cast

from hf_mlm.reproduce.experiments import GridSpec, TaggerSpec
from hf_mlm.reproduce.processes import share_batch
from hf_mlm.reproduce.runners import write_recipe
from hf_mlm.reproduce.runs import Job, Outcome
from hf_mlm.reproduce.scales import settings_of


def run_grid(job: Job, folder: Path) -> Outcome:
    """Train 2M-NER at every point of the grid and score it on validation; the test split is not looked at.

    Args:
        job: with a `GridSpec`.
        folder: of the run.
    """
    from hf_mlm.reproduce.search import grid_points, search_grid
    from hf_mlm.training.arguments_ner import NERArguments, NERTrainingArguments
    from hf_mlm.training.building_ner import build_tagger
    from hf_mlm.training.sentences import load_sentences
    from hf_mlm.training.settings import parse_settings
    from hf_mlm.training.train_ner import build_trainer

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
