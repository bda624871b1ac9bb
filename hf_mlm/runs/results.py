"""Results of a finished run, and their place in its folder."""

from __future__ import annotations

from collections.abc import Mapping
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


_HEADLINES = {  # metric -> its name, factor and format
    "f1": ("F1", 100, ".2f"),
    "image_to_text_medR": ("medR image to text", 1, ".1f"),
    "text_to_image_medR": ("medR text to image", 1, ".1f"),
    "image_median_km": ("median km from the image", 1, ",.0f"),
    "text_median_km": ("median km from the text", 1, ",.0f"),
}


def verdict(results: Mapping[str, float]) -> str:
    """Sum a run up in one line: its main metrics on the test split, or on validation where there is no test.

    Args:
        results: of a finished run.

    Example:
        >>> verdict({"eval_f1": 0.72, "test_f1": 0.7136})
        'F1 71.36 on test (72.00 on validation)'
    """
    split = "test" if any(name.startswith("test_") for name in results) else "eval"
    parts = []
    for name, (title, factor, form) in _HEADLINES.items():
        values = [results.get(f"{prefix}_{name}") for prefix in dict.fromkeys((split, "eval"))]
        shown = [format(factor * value, form) for value in values if value is not None]
        if shown:
            beside = f" ({shown[1]} on validation)" if len(shown) > 1 else ""
            parts.append(f"{title} {shown[0]} on {'test' if split == 'test' else 'validation'}{beside}")
    return ", ".join(parts)
