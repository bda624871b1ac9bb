"""Score a trained tagger on a split, as its training does."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.models.base.modeling import TaggerPreTrainedModel
from hf_mlm.runs.settings import SETTINGS_NAME, read_recipe
from hf_mlm.training.taggers.arguments import NERArguments, NERTrainingArguments
from hf_mlm.training.taggers.data import encode_sentences
from hf_mlm.training.taggers.metrics import EntityMetrics, keep_predictions
from hf_mlm.training.taggers.trainer import TaggerTrainer


PREFIX = "test"


def settings_of(folder: str | Path, **changes: Any) -> NERArguments:
    """Read what a tagger was trained on, with other settings where they are given.

    Args:
        folder: output folder of the training; one without ``settings.yaml`` has the defaults.
        **changes: fields of `NERArguments`; those that are None change nothing.
    """
    path = Path(folder) / SETTINGS_NAME
    saved = read_recipe(str(path)) if path.is_file() else {}
    names = {field.name for field in dataclasses.fields(NERArguments)}
    given = {name: value for name, value in changes.items() if value is not None}
    return NERArguments(**{name: value for name, value in {**saved, **given}.items() if name in names})


def score_tagger(
    model: TaggerPreTrainedModel, processor: Any, rows: Dataset, batch_size: int = 64
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Run a tagger over a split as training's evaluation does, in one process or several.

    Args:
        model: a tagger.
        processor: its own.
        rows: sentences with ``tokens`` and ``ner_tags``.
        batch_size: rows of a batch in each process.

    Returns:
        The metrics of `EntityMetrics` and the loss; and ``ids`` of the sentences with ``counts`` (sentences, 3): true
        positives, predicted and gold entities, which `paired_bootstrap` takes.

    Raises:
        ValueError: if the rows' labels are not the model's.
    """
    names = rows.features["ner_tags"].feature.names
    if names != model.config.label_names:
        raise ValueError(f"the model knows the labels {model.config.label_names}, and the dataset has {names}.")
    with tempfile.TemporaryDirectory() as folder:
        trainer = TaggerTrainer(
            model,
            NERTrainingArguments(folder, per_device_eval_batch_size=batch_size, report_to="none"),
            data_collator=DataCollatorForMultimodalTokenClassification(processor),
            preprocess_logits_for_metrics=keep_predictions,
        )
        found, metrics = score_encoded(trainer, encode_sentences(rows, processor, ordered=True), PREFIX)
    results = {name.removeprefix(f"{PREFIX}_"): value for name, value in found.items()}
    return results, {"ids": metrics.ids, "counts": metrics.counts}


def score_encoded(
    trainer: TaggerTrainer, encoded: Dataset, prefix: str, keep: bool = False
) -> tuple[dict[str, float], EntityMetrics]:
    """Score a trainer's model on encoded sentences; every process calls this, and has the metrics.

    Args:
        trainer: with the model and its collator; its ``compute_metrics`` becomes that of the sentences.
        encoded: what `encode_sentences` makes of them.
        prefix: of the names of the metrics.
        keep: whether the object keeps gold and predicted labels.

    Returns:
        The metrics, and the object with the counts of each sentence.
    """
    metrics = EntityMetrics(trainer.model.config.label_names, encoded, keep)
    trainer.compute_metrics = metrics
    return trainer.evaluate(encoded, metric_key_prefix=prefix), metrics
