"""Train a tagger: the whole story, from settings to a model with its test metrics.

Running the same command again goes on where it stopped, whatever stopped it. The output folder then holds the model of
the best epoch by validation, never by test, with its processor, ``settings.yaml``, ``all_results.json``,
``counts_eval.json`` and ``counts_test.json``, which a bootstrap compares runs by, and the last checkpoints.
"""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset, DatasetDict
from transformers import set_seed
from transformers.utils import logging

from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.files import write_json
from hf_mlm.runs.checkpoints import find_checkpoint, run_training, sole_run
from hf_mlm.runs.open_model import open_processor
from hf_mlm.runs.results import Run, finish
from hf_mlm.training.base.caching import cache_features, cache_images
from hf_mlm.training.base.trainer import EpochLines
from hf_mlm.training.taggers.arguments import NERArguments, NERTrainingArguments
from hf_mlm.training.taggers.building import build_tagger
from hf_mlm.training.taggers.data import encode_sentences, load_sentences
from hf_mlm.training.taggers.metrics import EntityMetrics, keep_predictions
from hf_mlm.training.taggers.scoring import score_encoded
from hf_mlm.training.taggers.trainer import TaggerTrainer


logger = logging.get_logger(__name__)

TaggerRun = Run[TaggerTrainer]


@sole_run
def train(arguments: NERArguments, training_arguments: NERTrainingArguments, tested: bool = True) -> TaggerRun:
    """Train a tagger, choose its best checkpoint on validation, and score that once on the test split.

    Args:
        arguments: data and model.
        training_arguments: optimisation, evaluation and saving; ``output_dir`` is where the run lives.
        tested: whether the test split is scored; without, it stays unseen, as in a search.

    Raises:
        ValueError: if settings do not fit the dataset, or ``output_dir`` holds a run with other settings.
    """
    checkpoint = find_checkpoint((arguments, training_arguments))
    set_seed(training_arguments.seed)
    with training_arguments.main_process_first(desc="preparing the sentences"):
        dataset = load_sentences(arguments)
        trainer = build_trainer(arguments, training_arguments, dataset, checkpoint)
    EpochLines.show(trainer)
    results = run_training(trainer, (arguments, training_arguments), checkpoint)
    trainer.save_model()
    results |= score(trainer, trainer.eval_dataset, "eval")
    if tested and "test" in dataset:
        test = encode_sentences(dataset["test"], trainer.processing_class, ordered=True)
        results |= score(trainer, test, "test")
    run = TaggerRun(trainer, dataset, results)
    finish(run, "mmnerd", arguments.dataset)
    return run


def build_trainer(
    arguments: NERArguments,
    training_arguments: NERTrainingArguments,
    dataset: DatasetDict,
    checkpoint: str | None = None,
) -> TaggerTrainer:
    """Put together model, processor, collator, encoded sentences and metrics.

    Args:
        arguments: data and model.
        training_arguments: optimisation.
        dataset: with the splits ``train`` and ``validation``.
        checkpoint: whose processor is taken over.
    """
    saved = open_processor(checkpoint) if checkpoint else None
    model, processor = build_tagger(arguments, dataset, saved)
    if saved is None:
        kept = processor.learn_words(dataset["train"]["tokens"], arguments.word_splitter)
        logger.warning_once(
            f"Texts are split into words by the rule {processor.splitter.rule!r}, which finds {kept.spaced:.1%} of "
            f"training words again where spaces divide them, and {kept.natural:.1%} in text as it is written."
        )
    cache_features(model)
    validation = encode_sentences(dataset["validation"], processor, ordered=True)
    return TaggerTrainer(
        model,
        training_arguments,
        data_collator=DataCollatorForMultimodalTokenClassification(cache_images(processor)),
        train_dataset=encode_sentences(dataset["train"], processor),
        eval_dataset=validation,
        processing_class=processor,
        compute_metrics=EntityMetrics(model.config.label_names, validation),
        preprocess_logits_for_metrics=keep_predictions,
    )


def score(trainer: TaggerTrainer, encoded: Dataset, prefix: str) -> dict[str, float]:
    """Score the trainer's model on an encoded split, and write what a bootstrap resamples into its ``output_dir``.

    ``counts_<prefix>.json`` has the ``ids`` of the sentences, and for each its true positives, predicted and gold
    entities.

    Returns:
        The metrics of `EntityMetrics`, whose names begin with the prefix.
    """
    results, metrics = score_encoded(trainer, encoded, prefix)
    if trainer.is_world_process_zero():
        counts = {"ids": metrics.ids.tolist(), "counts": metrics.counts.tolist()}
        write_json(counts, Path(trainer.args.output_dir) / f"counts_{prefix}.json")
    return results
