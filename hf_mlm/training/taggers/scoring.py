"""Score a trained tagger on a split, as its training does."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from datasets import Dataset

from hf_mlm.data.mmnerd.builder import UNDETERMINED
from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.models.base.modeling import TaggerPreTrainedModel
from hf_mlm.runs.settings import SETTINGS_NAME, read_recipe
from hf_mlm.training.taggers.arguments import NERArguments, NERTrainingArguments
from hf_mlm.training.taggers.data import ablate_images, encode_sentences, load_sentences, load_splits
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


def load_evaluation(
    folder: str | Path, label_names: Sequence[str], split: str = "test", **asked: Any
) -> tuple[Dataset, dict[str, Any]]:
    """Load exactly the sentences that a tagger is to be scored on: those of its training, unless others are named.

    Args:
        folder: output folder of the training.
        label_names: of the model, which other files are read with.
        split: of the dataset; where files have but one, that one.
        **asked: ``dataset``, ``data_dir``, ``data_files``, ``dataset_options`` and ``images`` of `NERArguments`; None
            where they are not asked for.

    Returns:
        The rows, and what they are: ``dataset``, ``split``, ``images`` and, where they are given, files and options.

    Raises:
        ValueError: if a dataset is named that the training's files do not hold, or there is no such split.
    """
    given = {name: value for name, value in asked.items() if value is not None}
    before = settings_of(folder, images=given.get("images"))
    trained_with = cast(dict[str, Any], before.dataset_options)
    files, data_dir, options = given.get("data_files"), given.get("data_dir"), given.get("dataset_options", {})
    name = given.get("dataset", before.dataset)
    if isinstance(files, str) and not files.lstrip().startswith("{"):
        files = {split: files}
    if name not in (before.dataset, "demo") and before.data_files and not (files or data_dir):
        raise ValueError(
            f"Expected the files of {name!r}, as the training's data_files hold {before.dataset!r}; pass --data_files "
            "or --data_dir."
        )
    if files or data_dir or name != before.dataset:
        kept = {key: value for key, value in trained_with.items() if key in ("repair", "type_map")}
        name = given.get("dataset", UNDETERMINED) if files else name
        source = {"data_files": files} if files else {"data_dir": data_dir or before.data_dir}
        labels = {} if name == "demo" else {"labels": list(label_names)}
        arguments = NERArguments(dataset=name, dataset_options={**labels, **kept, **options}, **source)
        splits = load_splits(arguments)
        split = next(iter(splits)) if len(splits) == 1 and split == "test" else split
        splits = {key: ablate_images(rows, before.images, before.split_seed) for key, rows in splits.items()}
    else:
        arguments = dataclasses.replace(before, dataset_options={**trained_with, **options})
        splits = load_sentences(arguments)
    if split not in splits:
        raise ValueError(f"the dataset {name!r} has no split {split!r}; choose one of {', '.join(splits)} as split.")
    told = {key: getattr(arguments, key) for key in ("data_files", "data_dir", "dataset_options")}
    told = {"dataset": name, "split": split, "images": before.images} | {
        key: each for key, each in told.items() if each
    }
    return splits[split], told


def score_tagger(
    model: TaggerPreTrainedModel, processor: Any, rows: Dataset, batch_size: int = 64
) -> tuple[dict[str, float], dict[str, Any]]:
    """Run a tagger over a split as training's evaluation does, in one process or several.

    Args:
        model: a tagger.
        processor: its own.
        rows: sentences with ``tokens`` and ``ner_tags``.
        batch_size: rows of a batch in each process.

    Returns:
        The metrics of `EntityMetrics` and the loss; and ``ids`` of the sentences with ``counts`` (sentences, 3): true
        positives, predicted and gold entities, which `paired_bootstrap` takes, and ``labels``, gold and predicted
        ids of each sentence's words by its id.

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
        found, metrics = score_encoded(trainer, encode_sentences(rows, processor, ordered=True), PREFIX, keep=True)
    labels = {metrics.row_ids[row] if metrics.row_ids else row: pair for row, pair in metrics.kept.items()}
    results = {name.removeprefix(f"{PREFIX}_"): value for name, value in found.items()}
    return results, {"ids": metrics.ids, "counts": metrics.counts, "labels": labels}


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
