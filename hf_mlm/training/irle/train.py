"""Train IR+LE: the whole story, from settings to a model with its test figures.

Running the same command again goes on where it stopped, whatever stopped it. The output folder then holds the model of
the best epoch by validation with its processor, ``settings.yaml``, ``all_results.json`` and the last checkpoints.
"""

from __future__ import annotations

from datasets import DatasetDict
from transformers import set_seed

from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo, RandomCrops
from hf_mlm.models.irle.processing_irle import IRLEProcessor
from hf_mlm.runs.checkpoints import find_checkpoint, run_training, sole_run
from hf_mlm.runs.open_model import open_processor
from hf_mlm.runs.results import Run, finish
from hf_mlm.training.base.caching import CachedProcessor
from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments
from hf_mlm.training.irle.building import build_model, build_processor, has_features
from hf_mlm.training.irle.data import as_examples, load_splits
from hf_mlm.training.irle.metrics import RetrievalAndGeoMetrics
from hf_mlm.training.irle.trainer import IRLETrainer


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
    results = run_training(trainer, (arguments, training_arguments), checkpoint)
    trainer.save_model()
    results |= trainer.evaluate()
    if "test" in dataset:
        metrics = RetrievalAndGeoMetrics(trainer.model.config, arguments.pool_size, arguments.pools)
        trainer.compute_metrics = metrics.of(dataset["test"], resamples=1000)
        test = as_examples(dataset["test"], arguments, training_arguments)
        results |= trainer.evaluate(test, metric_key_prefix="test")
    run = Run(trainer, dataset, results)
    finish(run, "mlm", arguments.dataset)
    return run


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
