"""The figures of a run that a card shows, and their form in the Hub's model-index."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from huggingface_hub import EvalResult

from hf_mlm.publishing.run_facts import IRLE, RunFacts


@dataclass(frozen=True)
class Figure:
    """One result.

    Args:
        key: its name in ``all_results.json``, without the split.
        task: the Hub's name of the task.
        title: for people.
        metric: the metric's identifier.
        form: how it is printed.
    """

    key: str
    task: str
    title: str
    metric: str
    form: str = ".3f"


DIRECTIONS = {"image_to_text": "image → text", "text_to_image": "text → image"}
MODALITIES = {"image": "from the image", "text": "from the text"}
RETRIEVAL = (("medR", "median rank", ".1f"), ("R@1", "R@1", ".3f"), ("R@5", "R@5", ".3f"), ("R@10", "R@10", ".3f"))
LOCATION = (
    ("accuracy", "right cell", ".3f"),
    ("f1", "weighted F1 of cells", ".3f"),
    ("median_km", "median error in km", ",.0f"),
    ("accuracy@200km", "within 200 km", ".3f"),
    ("geoscore", "GeoScore", ",.0f"),
)
IRLE_FIGURES = (
    *(
        Figure(f"{way}_{key}", "feature-extraction", f"{title}, {name}", key, form)
        for way, title in DIRECTIONS.items()
        for key, name, form in RETRIEVAL
    ),
    *(
        Figure(
            f"{modality}_{key}",
            "image-classification" if modality == "image" else "text-classification",
            f"{name}, {title}",
            key,
            form,
        )
        for modality, title in MODALITIES.items()
        for key, name, form in LOCATION
    ),
)
_ENTITY = re.compile(r"(?:(?P<group>.+)_)?(?P<metric>f1|precision|recall)")
_METRICS = {"f1": "F1", "precision": "precision", "recall": "recall"}


def figures_of(facts: RunFacts) -> list[Figure]:
    """The figures that a run has, in the order in which a card shows them.

    Args:
        facts: of the run.
    """
    split = facts.scored_split
    if facts.model_type == IRLE:
        return [figure for figure in IRLE_FIGURES if f"{split}_{figure.key}" in facts.results]
    keys = [name.removeprefix(f"{split}_") for name in facts.results if name.startswith(f"{split}_")]
    found = [figure for key in keys if (figure := _entity_figure(key)) is not None]
    return sorted(found, key=lambda figure: (figure.key.count("_"), "strict" in figure.key))


def value_of(facts: RunFacts, figure: Figure) -> str:
    """A figure as it is printed, with its 95 % interval where the run computed one; a dash without it."""
    name = f"{facts.scored_split}_{figure.key}"
    if name not in facts.results:
        return "–"
    printed = format(facts.results[name], figure.form)
    if f"{name}_low" not in facts.results:
        return printed
    low, high = (format(facts.results[f"{name}_{end}"], figure.form) for end in ("low", "high"))
    return f"{printed} ({low}–{high})"


def figure_table(facts: RunFacts, twins: Mapping[str, RunFacts]) -> str:
    """A Markdown table of a run's figures, beside those of its twins.

    Args:
        facts: of the run.
        twins: other runs by the names that the card gives them, such as ``"text alone"``.
    """
    runs = {"this model": facts, **twins}
    rows = [[figure.title, *(value_of(run, figure) for run in runs.values())] for figure in figures_of(facts)]
    return markdown_table(["", *runs], rows)


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, numbers to the right.

    Example:
        >>> print(markdown_table(["split", "rows"], [["train", "12"]]))
        | split | rows |
        |---|---:|
        | train | 12 |
    """
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = [" | ".join(header), "|".join(rule), *(" | ".join(row) for row in rows)]
    return "\n".join(f"|{line}|" if line == lines[1] else f"| {line} |" for line in lines)


def eval_results(facts: RunFacts) -> list[EvalResult]:
    """A run's figures for the card's model-index.

    Args:
        facts: of the run.
    """
    split = "validation" if facts.scored_split == "eval" else facts.scored_split
    return list(_eval_results(facts, split))


def _eval_results(facts: RunFacts, split: str | None) -> Iterator[EvalResult]:
    for figure in figures_of(facts):
        yield EvalResult(
            task_type=figure.task,
            dataset_type="own-files" if facts.own_files else facts.dataset,
            dataset_name=dataset_title(facts),
            dataset_config=None if facts.own_files else facts.dataset_config,
            dataset_split=split,
            metric_type=figure.metric,
            metric_name=figure.title,
            metric_value=round(facts.results[f"{facts.scored_split}_{figure.key}"], 4),
        )


def dataset_title(facts: RunFacts) -> str:
    """The dataset as people call it, such as ``"MLM (irle-gr)"``."""
    if facts.own_files:
        return f"files of the publisher's own ({', '.join(facts.own_files)})"
    config = facts.dataset_config
    return facts.dataset.upper() + (f" ({config})" if config else "")


def _entity_figure(key: str) -> Figure | None:
    match = _ENTITY.fullmatch(key)
    if match is None:
        return None
    group = (match["group"] or "all entities").replace("_", " ")
    return Figure(key, "token-classification", f"{_METRICS[match['metric']]}, {group}", match["metric"])
