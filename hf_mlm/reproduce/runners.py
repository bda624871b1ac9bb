"""Runners: one function a kind of run, over the package's own training and datasets."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml
from transformers.utils import logging

from hf_mlm.files import write_text
from hf_mlm.reproduce.analysis import confusion, groups_of, score_groups, tagged_sentences, write_errors
from hf_mlm.reproduce.experiments import CLASSES, CountSpec, IRLESpec, Spec, TaggerSpec
from hf_mlm.reproduce.runs import Job, Outcome, on_cpu, processes, share_batch
from hf_mlm.reproduce.scales import WORLD_SIZES, recipe_of, settings_of


logger = logging.get_logger(__name__)

RECIPE = "recipe.yaml"


def run_irle(job: Job, folder: Path) -> Outcome:
    """Train and test IR+LE, going on where an interrupted training stopped."""
    from hf_mlm.training.irle.train import train

    spec = cast(IRLESpec, job.spec)
    recipe = write_recipe(share_batch(all_settings(job, folder), job.setup.overrides), folder)
    began = time.monotonic()
    run = train(*read_settings(spec, recipe))
    grouped = analyse_groups(run) if spec == IRLESpec(spec.dataset) else {}
    run.trainer.free_models()
    return Outcome({**only_numbers(run.results), **grouped}, [], time.monotonic() - began)


def analyse_groups(run: Any) -> dict[str, float]:
    """Score the test split of a finished training of both tasks by language and class."""
    from hf_mlm.training.irle.scoring import score

    rows = run.dataset["test"]
    _, predictions = score(run.trainer.model, run.trainer.processing_class, rows, resamples=0)
    return score_groups(groups_of(rows, CLASSES), predictions, np.array(rows["geo_cell"][:]))


def run_tagger(job: Job, folder: Path) -> Outcome:
    """Train and test a tagger, going on where an interrupted training stopped."""
    from hf_mlm.training.taggers.train import train

    spec = cast(TaggerSpec, job.spec)
    recipe = write_recipe(share_batch(all_settings(job, folder), job.setup.overrides), folder)
    began = time.monotonic()
    run = train(*read_settings(spec, recipe), tested=spec.tested)
    errors = analyse_errors(run, spec, folder) if spec == TaggerSpec("2M-NER", spec.dataset) else {}
    run.trainer.free_models()
    results = {**only_numbers(run.results), **errors}
    return Outcome(results, read_counts(folder / "model"), time.monotonic() - began)


def analyse_errors(run: Any, spec: TaggerSpec, folder: Path) -> dict[str, float]:
    """Tag the test split once more, write its errors, and count what is confused with what."""
    from hf_mlm.training.taggers.data import encode_sentences
    from hf_mlm.training.taggers.scoring import score_encoded

    rows = run.dataset["test"]
    encoded = encode_sentences(rows, run.trainer.processing_class, ordered=True)
    _, metrics = score_encoded(run.trainer, encoded, "test", keep=True)
    sentences = list(tagged_sentences(rows, encoded["id"][:], metrics.kept, metrics.label_names))
    if run.trainer.is_world_process_zero():
        write_errors(sentences, spec.name, folder)
    return confusion(sentences, [name[2:] for name in metrics.label_names if name.startswith("B-")])


def run_count(job: Job, folder: Path) -> Outcome:
    """Count a dataset; nothing is trained."""
    from datasets import load_dataset

    from hf_mlm.reproduce.planning import missing_files

    spec = cast(CountSpec, job.spec)
    if job.setup.scale == "full" and missing_files(spec.paper, [spec], str(job.setup.data_dir)):
        return Outcome({})  # others of the table are there
    name = "mlm" if spec.paper == "mlm" else "mmnerd"
    if job.setup.scale == "smoke" and name == "mlm":
        splits = load_dataset("mlm", "demo", size=WORLD_SIZES[spec.dataset], holdout="random")
    else:
        splits = load_dataset(name, spec.dataset, data_dir=job.setup.data_dir)
    return Outcome(count_mlm(splits) if name == "mlm" else count_mmnerd(splits))


def count_mlm(splits: Mapping[str, Any]) -> dict[str, float]:
    """Count entities, images, summaries and different classes, of raw rows or of precomputed features."""
    counts = {"entities": 0, "images": 0, "summaries": 0}
    classes: set[str] = set()
    for rows in splits.values():
        counts["entities"] += len(rows)
        if "image_features" in rows.column_names:
            counts["images"] += _list_items(rows, "image_features")
            counts["summaries"] += _list_items(rows, "summary_features")
        else:
            counts["images"] += _list_items(rows, "images")
            counts["summaries"] += sum(text is not None for row in rows["summaries"] for text in row.values())
            classes.update(name for row in rows["classes"] for name in row)
    return {**counts, **({"classes": len(classes)} if classes else {})}


def count_mmnerd(splits: Mapping[str, Any]) -> dict[str, float]:
    """Count sentences and entities, a name and type counting once a sentence, which comes closest to Table 2."""
    from hf_mlm.data.mmnerd.conll import Sentence
    from hf_mlm.data.mmnerd.statistics import Row, Statistics

    counts: dict[str, float] = {}
    for split, rows in splits.items():
        names = rows.features["ner_tags"].feature.names
        part = Statistics("", split, "all")
        for tokens, tags in zip(rows["tokens"], rows["ner_tags"], strict=True):
            part.add(Row(Sentence(tokens, [names[tag] for tag in tags]), "", split))
        kinds = {name[2:]: part.unique[name[2:]] for name in names if name != "O"}
        found = {"sentences": part.sentences, **kinds, "entities": sum(kinds.values())}
        for name, count in found.items():
            counts[f"{split}_{name}"] = count
            counts[f"total_{name}"] = counts.get(f"total_{name}", 0) + count
    return counts


def write_recipe(settings: Mapping[str, Any], folder: Path) -> Path:
    """Write the settings of a run as a recipe that repeats it."""
    target = folder / RECIPE
    settings = {**({"use_cpu": True} if on_cpu() else {}), **settings}
    state = processes()
    if state.is_main_process:
        write_text(target, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    state.wait_for_everyone()
    return target


def all_settings(job: Job, folder: Path) -> dict[str, Any]:
    """List all settings of a job's training, those of the recipe that it starts from among them."""
    from hf_mlm.runs.settings import read_recipe

    spec = cast(IRLESpec | TaggerSpec, job.spec)
    base = read_recipe(recipe_of(spec, job.setup)) if isinstance(spec, IRLESpec) else {}
    return merge(base, settings_of(spec, job.setup, job.seed, folder / "model"))


def read_settings(spec: Spec, recipe: Path) -> tuple[Any, Any]:
    """Read a run's recipe, and go on from the last checkpoint of its training.

    That the folder is the same run's tells its name. What the name leaves out may have changed since the interruption
    and does not hinder: where the data lie, on what device and on how many processes the run goes on.
    """
    from hf_mlm.runs.checkpoints import last_complete_checkpoint
    from hf_mlm.runs.settings import parse_settings
    from hf_mlm.training.irle.arguments import ARGUMENTS as IRLE
    from hf_mlm.training.taggers.arguments import ARGUMENTS as TAGGERS

    types = list(IRLE if isinstance(spec, IRLESpec) else TAGGERS)
    arguments, training = parse_settings(types, ["--config", str(recipe)], "hf-mlm reproduce")
    checkpoint = last_complete_checkpoint(training.output_dir)
    if checkpoint is not None:
        if processes().is_main_process:
            logger.warning(f"Going on from {checkpoint}.")
        training.resume_from_checkpoint = checkpoint
    return arguments, training


def open_trainer(spec: Spec, settings: Mapping[str, Any], folder: Path) -> Any:
    """Put together the trainer of a run, without training."""
    arguments, training = read_settings(spec, write_recipe(settings, folder))
    if isinstance(spec, IRLESpec):
        from hf_mlm.training.irle.data import load_splits
        from hf_mlm.training.irle.train import build_trainer as build_irle

        return build_irle(arguments, training, load_splits(arguments))
    from hf_mlm.training.taggers.data import load_sentences
    from hf_mlm.training.taggers.train import build_trainer

    return build_trainer(arguments, training, load_sentences(arguments))


def read_counts(model_dir: Path) -> list[list[int]]:
    """Read the counts that a tagger's test has left, one row a sentence, in the order of their ids.

    A sentence that was several rows is one again, so that the counts of models with different tokenizers are paired.
    """
    path = model_dir / "counts_test.json"
    if not path.is_file():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    names, places = np.unique(found["ids"], return_inverse=True)
    counts = np.zeros((len(names), 3), np.int64)
    np.add.at(counts, places, np.asarray(found["counts"], np.int64).reshape(-1, 3))
    return counts.tolist()


def only_numbers(results: Mapping[str, Any]) -> dict[str, float]:
    """Keep the numbers of a run's results."""
    numbers = {name: value for name, value in results.items() if isinstance(value, Real)}
    return {name: float(value) for name, value in numbers.items() if not isinstance(value, bool)}


def merge(base: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Put settings over a recipe; of ``model``, setting by setting."""
    return {**base, **settings, "model": {**base.get("model", {}), **settings.get("model", {})}}


def _list_items(rows: Any, column: str) -> int:
    import pyarrow.compute as pc

    total = pc.sum(pc.list_value_length(rows.with_format("arrow").select_columns([column])[:].column(column))).as_py()
    return total or 0
