"""Train IR+LE: the whole story, from settings to a model with its test figures.

Running the same command again goes on where it stopped, whatever stopped it. The output folder then holds the model of
the best epoch by validation with its processor, ``settings.yaml``, ``all_results.json`` and the last checkpoints.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict
from transformers import set_seed

from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo, RandomCrops
from hf_mlm.models.irle.cells_irle import MODALITIES
from hf_mlm.models.irle.processing_irle import IRLEProcessor
from hf_mlm.runs.checkpoints import find_checkpoint, run_training, sole_run
from hf_mlm.runs.gallery import FOLDER, Gallery
from hf_mlm.runs.open_model import open_processor
from hf_mlm.runs.results import Run, finish
from hf_mlm.training.base.caching import CachedProcessor
from hf_mlm.training.base.trainer import EpochLines
from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments
from hf_mlm.training.irle.building import build_model, build_processor, has_features
from hf_mlm.training.irle.data import as_examples, complete_rows, load_splits
from hf_mlm.training.irle.metrics import RetrievalAndGeoMetrics, true_positions
from hf_mlm.training.irle.scoring import calibrate
from hf_mlm.training.irle.trainer import IRLETrainer


INDEXED_FROM = 1_000_000  # entities of a gallery, from which FAISS searches it
CALIBRATED_ON = 5000  # validation entities at most: their logits are kept for a moment


@sole_run
def train(arguments: IRLEArguments, training_arguments: IRLETrainingArguments) -> Run[IRLETrainer]:
    """Train a model, choose its best checkpoint on validation, and score that once on the test split.

    Args:
        arguments: data and model.
        training_arguments: optimisation, evaluation and saving; ``output_dir`` is where the run lives.

    Raises:
        ValueError: if settings do not fit the dataset, or ``output_dir`` holds a run with other settings.
    """
    checkpoint = find_checkpoint((arguments, training_arguments))
    set_seed(training_arguments.seed)
    with training_arguments.main_process_first(desc="preparing the dataset"):
        dataset = load_splits(arguments)
    trainer = build_trainer(arguments, training_arguments, dataset, checkpoint)
    EpochLines.show(trainer)
    results = run_training(trainer, (arguments, training_arguments), checkpoint)
    gallery = keep_gallery(trainer, arguments, dataset["train"])
    calibrate_positions(trainer, arguments, dataset["validation"], gallery)
    trainer.save_model()
    metrics = RetrievalAndGeoMetrics(trainer.model.config, arguments.pool_size, arguments.pools, gallery)
    trainer.preprocess_logits_for_metrics = metrics.reduce
    trainer.compute_metrics = metrics.of(dataset["validation"])
    results |= trainer.evaluate()
    if "test" in dataset:
        trainer.compute_metrics = metrics.of(dataset["test"], resamples=1000)
        test = as_examples(dataset["test"], arguments, training_arguments)
        results |= trainer.evaluate(test, metric_key_prefix="test")
    run = Run(trainer, dataset, results)
    finish(run, "mlm", arguments.dataset)
    return run


def keep_gallery(trainer: IRLETrainer, arguments: IRLEArguments, rows: Dataset) -> Gallery | None:
    """Embed training entities and save them beside the model, which locates and searches by them from now on.

    Args:
        trainer: with the trained model.
        arguments: ``keep_gallery`` and ``gallery_size``.
        rows: of the training split; those without an image or without a text are left out.

    Returns:
        The gallery, in every process; None where the model has no embeddings or none is to be kept.
    """
    if not arguments.keep_gallery or "retrieval" not in trainer.model.config.tasks:
        return None
    rows = complete_rows(rows)
    folder, model = Path(trainer.args.output_dir) / FOLDER, trainer.accelerator.unwrap_model(trainer.model)
    with trainer.args.main_process_first(desc="keeping the gallery"):
        if trainer.is_world_process_zero() and len(rows):
            kept = rows.select(range(min(len(rows), arguments.gallery_size)))
            batch_size = trainer.args.per_device_eval_batch_size
            gallery = Gallery.encode(model, kept, trainer.processing_class, batch_size).halved()
            if len(gallery) > INDEXED_FROM:
                gallery.add_faiss_index("HNSW32")
            gallery.save(folder)
    return Gallery.load(folder) if len(rows) else None


def calibrate_positions(
    trainer: IRLETrainer, arguments: IRLEArguments, rows: Dataset, gallery: Gallery | None
) -> None:
    """Fit positions and radii on held-out entities, and keep what was found in the model's configuration.

    Args:
        trainer: with the trained model.
        arguments: tell the dataset.
        rows: of the validation split, of which `CALIBRATED_ON` at most are looked at.
        gallery: of the training split.
    """
    config = trainer.model.config
    positions = true_positions(rows)
    metrics = RetrievalAndGeoMetrics(config)
    if metrics.locator is None or positions is None:
        return
    chosen = np.random.default_rng(0).permutation(len(rows))[:CALIBRATED_ON]
    trainer.preprocess_logits_for_metrics, trainer.compute_metrics = metrics.named, None
    predicted = trainer.predict(as_examples(rows.select(chosen), arguments, trainer.args))
    kinds = {"embeds": "embeds", "logits": "geo_logits"}
    outputs = {
        modality: {
            name: predicted.predictions[f"{modality}_{kind}"]
            for kind, name in kinds.items()
            if f"{modality}_{kind}" in predicted.predictions
        }
        for modality in MODALITIES
    }
    cells = dict(zip(MODALITIES, predicted.label_ids, strict=True))
    on = {"dataset": f"mlm/{arguments.dataset}", "split": "validation"}
    config.calibration = calibrate(config, gallery, outputs, cells, positions[chosen], on)


def build_trainer(
    arguments: IRLEArguments,
    training_arguments: IRLETrainingArguments,
    dataset: DatasetDict,
    checkpoint: str | None = None,
) -> IRLETrainer:
    """Put together model, processor, collator, examples and metrics.

    Args:
        arguments: data and model.
        training_arguments: optimisation.
        dataset: with the splits ``train`` and ``validation``.
        checkpoint: whose processor is taken over.
    """
    processor = None
    if not has_features(dataset["train"]):
        saved = open_processor(checkpoint) if checkpoint else None
        processor = saved or build_processor(arguments, dataset["train"])
    model = build_model(arguments, dataset, processor)
    metrics = RetrievalAndGeoMetrics(model.config, arguments.pool_size, arguments.pools)
    return IRLETrainer(
        model,
        training_arguments,
        data_collator=build_collator(arguments, training_arguments.seed, processor),
        train_dataset=as_examples(dataset["train"], arguments, training_arguments, arguments.views),
        eval_dataset=as_examples(dataset["validation"], arguments, training_arguments),
        processing_class=processor,
        compute_metrics=metrics.of(dataset["validation"]),
        preprocess_logits_for_metrics=metrics.reduce,
    )


def build_collator(
    arguments: IRLEArguments, seed: int, processor: IRLEProcessor | None
) -> RandomCrops | DataCollatorForRetrievalAndGeo:
    """Choose how training batches are made.

    Args:
        arguments: ``views`` and ``crop``.
        seed: of the random views and windows.
        processor: of raw rows.
    """
    cached = CachedProcessor(processor) if processor else None
    collator = DataCollatorForRetrievalAndGeo(cached, arguments.views, seed=seed)
    return collator if arguments.crop is None else RandomCrops(collator, arguments.crop, seed)
