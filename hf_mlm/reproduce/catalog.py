"""Catalogue of the papers' tables, and of some that they lack: the run and the metric of every cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from hf_mlm.reproduce.experiments import CLASSES, FOLDS, Cell, CountSpec, IRLESpec, Table, TaggerSpec
from hf_mlm.reproduce.published import DATASETS, LANGUAGES


DIRECTIONS = ("image → text", "text → image")
RECALLS = ("R@1", "R@5", "R@10")
SCORES = {"F1": "f1", "precision": "precision", "recall": "recall"}
MULTIMODAL = ("AdaCAN", "UMT", "UMGF", "MKGFormer", "2M-NER")
SYSTEMS = ("BiLSTM-CRF", "HBiLSTM-CRF", "BERT", "BERT-CRF", *MULTIMODAL)
TYPES = ("PER", "LOC", "ORG", "MISC")
FIGURES = {**{kind: f"{kind}_f1" for kind in TYPES}, "precision": "precision", "recall": "recall", "F1": "f1"}
SOURCES = {"captions": "cc12m", "tweets": "twitter"}
FOUND = (*TYPES, "other words", "nothing")


def _irle(dataset: str, **changes: Any) -> IRLESpec:
    return IRLESpec(cast(Literal["irle", "irle-gr"], dataset), **changes)


def _mlm_specs(task: str) -> Iterator[tuple[str, str, IRLESpec]]:
    """(data set, name of the setting, spec) in the order of the papers' rows."""
    for dataset in ("irle", "irle-gr"):
        for setting, tasks in (("single task", (task,)), ("multitask", ("retrieval", "geo"))):
            yield dataset, setting, _irle(dataset, tasks=tasks)


def _mlm_counts() -> Iterator[Cell]:
    for dataset, column in product(("mlm", "irle", "irle-gr"), ("entities", "images", "summaries", "classes")):
        yield Cell(dataset, column, CountSpec("mlm", dataset), column)


def _retrieval() -> Iterator[Cell]:
    for direction in DIRECTIONS:
        prefix = "test_" + direction.replace(" → ", "_to_")
        for dataset, setting, spec in _mlm_specs("retrieval"):
            for column in ("medR", *RECALLS):
                yield Cell(f"{dataset}, {direction}, {setting}", column, spec, f"{prefix}_{column}")


def _location() -> Iterator[Cell]:
    for modality in ("image", "text"):
        for dataset, setting, spec in _mlm_specs("geo"):
            for column, score in SCORES.items():
                yield Cell(f"{dataset}, {modality}, {setting}", column, spec, f"test_{modality}_{score}")


def _both_tasks(row: str, spec: IRLESpec, group: str = "", medR: str = "medR") -> Iterator[Cell]:
    """Median ranks of both directions, and F1 of both modalities."""
    for direction in DIRECTIONS:
        yield Cell(row, f"{direction} medR", spec, f"test_{group}{direction.replace(' → ', '_to_')}_{medR}")
    for modality in ("image", "text"):
        yield Cell(row, f"{modality} F1", spec, f"test_{group}{modality}_f1")


def _mlm_groups() -> Iterator[Cell]:
    groups = {f"summary in {name}": name for name in ("en", "de", "fr")} | {f"class {name}": name for name in CLASSES}
    for dataset, (row, group) in product(("irle", "irle-gr"), groups.items()):
        yield from _both_tasks(f"{dataset}, {row}", _irle(dataset), f"{group}_", "full_medR")


def _mlm_controls() -> Iterator[Cell]:
    for dataset, reference in product(("irle", "irle-gr"), (False, True)):
        row = f"{dataset}, {'as published' if reference else 'corrected'}"
        yield from _both_tasks(row, _irle(dataset, reference=reference))


def _ner_counts() -> Iterator[Cell]:
    splits = (", train", ", validation", ", test", "")
    for dataset, part in product((*LANGUAGES, "all"), splits):
        for column in (*TYPES, "entities", "sentences"):
            name = f"{part.removeprefix(', ') or 'total'}_{column}"
            yield Cell(dataset + part, column, CountSpec("2m-ner", dataset), name)


def _other_datasets() -> Iterator[Cell]:
    splits = {"train": "train", "dev": "validation", "test": "test", "total": "total"}
    for row in ("CoNLL2002", "CoNLL2003", "WikiAnn", "Twitter-2015", "Twitter-2017", "CNERTA"):
        yield from (Cell(row, column) for column in splits)
    for column, split in splits.items():
        yield Cell("MMNERD", column, CountSpec("2m-ner", "all"), f"{split}_sentences")


def _scores(row: str, spec: TaggerSpec, group: str = "") -> Iterator[Cell]:
    """The seven figures that the paper prints of a run."""
    for name, metric in FIGURES.items():
        column = spec.dataset if name == "F1" else f"{spec.dataset} {name}"
        yield Cell(row, column, spec, f"test_{group}{metric}")


def _on_datasets(rows: Mapping[str, TaggerSpec], datasets: Sequence[str] = DATASETS) -> Iterator[Cell]:
    for (row, spec), dataset in product(rows.items(), datasets):
        yield from _scores(row, replace(spec, dataset=dataset))


OURS = TaggerSpec("2M-NER", "all")


def _pairs() -> Iterator[Cell]:
    """Rows of Table 6, in its order: each language by itself, then with each other one."""
    for language, others in {"en": "de fr es", "de": "en fr es", "fr": "en de es", "es": "en de fr"}.items():
        for other in ("", *others.split()):
            pair = [name for name in LANGUAGES if name in (language, other)]
            spec = TaggerSpec("2M-NER", "+".join(pair))
            for column, metric in FIGURES.items():
                group = f"{language}_" if other else ""
                yield Cell(f"{' + '.join(pair)} → {language}", column, spec, f"test_{group}{metric}")


def _text_only() -> Iterator[Cell]:
    return _on_datasets({f"{name}, text": replace(OURS, model=name, text_only=True) for name in MULTIMODAL})


def _folds() -> Iterator[Cell]:
    rows = {f"fold {fold}": replace(OURS, fold=fold) for fold in range(1, FOLDS + 1)}
    return _on_datasets({**rows, "ALL": OURS}, ("all",))


def _branches() -> Iterator[Cell]:
    ways = {"2M-NER": ("vit", "resnet"), "2M-NER − ResNet": ("vit",), "2M-NER − ViT": ("resnet",)}
    return _on_datasets({row: replace(OURS, branches=branches) for row, branches in ways.items()})


def _ner_controls() -> Iterator[Cell]:
    rows = {
        "2M-NER": OURS,
        "text-only model": replace(OURS, text_only=True),
        "shuffled images": replace(OURS, images="shuffled"),
        "blank images": replace(OURS, images="blank"),
        "ResNet trained too": replace(OURS, settings=(("freeze_resnet", False),)),
        "repeated images aligned": replace(OURS, settings=(("align_repeated_images", True),)),
        "as published": replace(OURS, reference=True),
    }
    return _on_datasets(rows)


def _sources() -> Iterator[Cell]:
    for (row, source), dataset in product(SOURCES.items(), DATASETS):
        yield from _scores(row, replace(OURS, dataset=dataset), f"{source}_")


def _errors() -> Iterator[Cell]:
    for row, column in product((*TYPES, "nothing"), FOUND):
        if row != "nothing" or column in TYPES:
            yield Cell(row, column, OURS, f"confusion_{row}_{column}")


ALPHAS = tuple(tenths / 10 for tenths in range(1, 10))
RATES = (1e-5, 5e-5, 1e-4, 5e-4)


def _grid() -> Iterator[Cell]:
    for alpha, rate in product(ALPHAS, RATES):
        spec = replace(OURS, settings=(("alpha", alpha),), learning_rate=rate, tested=False)
        yield Cell(f"α = {alpha:g}", f"{rate:g}", spec, "eval_f1")


_BY_DATASET = {name: f"{name} " for name in DATASETS}
_BY_DIRECTION = {name: f", {name}" for name in DIRECTIONS}
_BY_MODALITY = {name: f", {name}" for name in ("image", "text")}
_RANKS = tuple(f"{direction} medR" for direction in DIRECTIONS)


def _table(paper: str, number: str, cells: Iterator[Cell], **settings: Any) -> tuple[tuple[str, str], Table]:
    about = _TEXTS[paper][number]
    note = about["note"].format(**_TEXTS["passages"])
    return (paper, number), Table(paper, number, about["title"], tuple(cells), note, **settings)


def _scored(number: str, cells: Iterator[Cell], **settings: Any) -> tuple[tuple[str, str], Table]:
    """A table of 2M-NER in per cent, one block a dataset."""
    return _table("2m-ner", number, cells, **{"percent": True, "blocks": _BY_DATASET, **settings})


_TEXTS = yaml.safe_load(Path(__file__).with_name("tables.yaml").read_text(encoding="utf-8"))
TABLES = dict(
    [
        _table("mlm", "2", _mlm_counts(), whole=True),
        _table("mlm", "3", _retrieval(), lower_is_better=("medR",), blocks=_BY_DIRECTION),
        _table("mlm", "4", _location(), blocks=_BY_MODALITY),
        _table("mlm", "groups", _mlm_groups(), lower_is_better=_RANKS),
        _table("mlm", "controls", _mlm_controls(), lower_is_better=_RANKS),
        _table("2m-ner", "2", _ner_counts(), whole=True),
        _table("2m-ner", "3", _other_datasets(), whole=True),
        _scored("5", _on_datasets({model: replace(OURS, model=model) for model in SYSTEMS}), compared_with="2M-NER"),
        _scored("6", _pairs(), blocks={}),
        _scored("7", _text_only(), compared_with="2M-NER, text"),
        _scored("8", _folds(), seeds=(1, 2)),
        _scored("9", _branches(), compared_with="2M-NER", dataset="all"),
        _scored("sources", _sources()),
        _table("2m-ner", "errors", _errors(), whole=True),
        _scored("controls", _ner_controls(), compared_with="2M-NER"),
        _scored("grid", _grid(), blocks={}),
    ]
)


def find_table(paper: str, number: str) -> Table:
    """Look a table up by its paper, ``"mlm"`` or ``"2m-ner"``, and its number or name.

    Raises:
        ValueError: if there is no such paper or table.
    """
    numbers = [table for known, table in TABLES if known == paper]
    if not numbers:
        papers = ", ".join(dict.fromkeys(known for known, _ in TABLES))
        raise ValueError(f"Expected a paper to reproduce, found {paper!r}: choose one of {papers}.")
    if number not in numbers:
        raise ValueError(f"Expected a table of {paper}, found {number!r}: choose one of {', '.join(numbers)}.")
    return TABLES[paper, number]
