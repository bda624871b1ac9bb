"""Results of a finished run, and their place in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from datasets import DatasetDict
from transformers import Trainer

from hf_mlm.files import write_json
from hf_mlm.runs.provenance import write_provenance


RESULTS_NAME = "all_results.json"

AnyTrainer = TypeVar("AnyTrainer", bound=Trainer)


@dataclass
class Run(Generic[AnyTrainer]):
    """A finished run.

    Args:
        trainer: with the best model, the processor (``processing_class``) and the history (``state.log_history``).
        dataset: all splits, as rows.
        results: metrics of training, of validation (``eval_…``) and, where there is one, of the test split
            (``test_…``).
    """

    trainer: AnyTrainer
    dataset: DatasetDict
    results: dict[str, float]


def finish(run: Run, name: str, config: str) -> None:
    """Write a run's metrics and provenance, and push it once more, now that its card has metrics to show.

    Every process calls this; the first one writes.

    Args:
        run: trained, saved and scored.
        name: of the dataset, ``"mlm"`` or ``"mmnerd"``.
        config: of the dataset.
    """
    trainer = run.trainer
    if trainer.is_world_process_zero():
        write_json(run.results, Path(str(trainer.args.output_dir)) / RESULTS_NAME)
        write_provenance(trainer, run.dataset, name, config)
    if trainer.args.push_to_hub:
        trainer.push_to_hub()
