"""``hf-mlm evaluate MODEL_DIR``: the metrics of a saved model on a split."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hf_mlm.cli.options import BatchSize, DataDir, DatasetOptions, ModelDir, Split, dataset_options


if TYPE_CHECKING:
    from rich.table import Table

SCORES = ("precision", "recall", "f1")
_SHOWN = 10  # errors that are printed in context
_CONTEXT = 4  # words on either side of an error
RECALLS = ("R@1", "R@5", "R@10")
LOCATION = {
    "accuracy": ("right cell", ".3f"),
    "f1": ("weighted F1", ".3f"),
    "median_km": ("median km", ",.0f"),
    "mean_km": ("mean km", ",.0f"),
    "geoscore": ("GeoScore", ",.0f"),
    **{f"accuracy@{km}km": (f"within {km:,} km", ".3f") for km in (25, 200, 750, 2500)},
}
DIRECTIONS = {"image_to_text": "image → text", "text_to_image": "text → image"}


def evaluate(
    model_dir: ModelDir,
    dataset: Annotated[
        str | None, typer.Option(help="Such as irle-gr, en or demo; that of the training if omitted.")
    ] = None,
    data_dir: DataDir = None,
    split: Split = "test",
    option: DatasetOptions = None,
    batch_size: BatchSize = 64,
    pool_size: Annotated[int, typer.Option(min=1, help="Candidates of retrieval (IR+LE).")] = 500,
    pools: Annotated[int, typer.Option(min=1, help="Draws of that many candidates (IR+LE).")] = 10,
    images: Annotated[str | None, typer.Option(help="own, shuffled, blank or none (taggers).")] = None,
    data_files: Annotated[
        str | None, typer.Option(help="File, or JSON of files by split, or by language and split (taggers).")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="JSON lines of labels and errors to write (taggers).")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="JSON to write; in MODEL_DIR when omitted.")] = None,
) -> None:
    """Score a saved model on a split; print tables and write all metrics as JSON."""
    from hf_mlm.registry import MODELS
    from hf_mlm.runs.open_model import saved_type

    if output is not None and output.is_dir():
        raise IsADirectoryError(f"Expected --output to name a JSON file, found the folder {output}.")
    entry = MODELS.get(saved_type(model_dir))
    if entry is not None and entry.family == "taggers":
        files = {"dataset": dataset, "data_dir": data_dir, "data_files": data_files}
        asked = {**files, "dataset_options": dataset_options(option) or None, "images": images}
        _evaluate_tagger(model_dir, split, asked, batch_size, output, predictions)
    elif data_files or predictions:
        raise ValueError("Expected a tagger for --data_files and --predictions, found an IR+LE; pass --data_dir.")
    else:
        _evaluate_irle(model_dir, dataset, data_dir, split, option, batch_size, pool_size, pools, output)


def _evaluate_irle(
    model_dir: Path,
    dataset: str | None,
    data_dir: str | None,
    split: str,
    option: list[str] | None,
    batch_size: int,
    pool_size: int,
    pools: int,
    output: Path | None,
) -> None:
    """Score an IR+LE: retrieval in both directions, cells and distances."""
    from accelerate import PartialState
    from rich.console import Console

    from hf_mlm.files import write_json
    from hf_mlm.runs.open_model import open_model
    from hf_mlm.training.irle.scoring import load_rows, score

    model, processor = open_model(model_dir, "irle")
    dataset, options = chosen_dataset(model_dir, dataset, data_dir, option)
    rows = load_rows(model, dataset, split, **options)
    metrics, _ = score(model, processor, rows, batch_size, pool_size, pools)
    if not PartialState().is_main_process:
        return
    target = output or model_dir / f"evaluation_{dataset}_{split}.json"
    write_json({"model": str(model_dir), "dataset": dataset, "options": options, "split": split, **metrics}, target)
    console = Console()
    for table in (retrieval_table(metrics), geo_table(metrics)):
        if table.row_count:
            console.print(table)
    console.print(f"All figures: {target}", soft_wrap=True)


def _evaluate_tagger(
    model_dir: Path,
    split: str,
    asked: dict[str, Any],
    batch_size: int,
    output: Path | None,
    predictions: Path | None,
) -> None:
    """Score a tagger: all entities, by type, by language and by source, and its errors by kind."""
    from accelerate import PartialState
    from rich.console import Console

    from hf_mlm.files import write_json, write_text
    from hf_mlm.metrics.functional.errors import error_report
    from hf_mlm.runs.open_model import open_model
    from hf_mlm.training.taggers.scoring import load_evaluation, score_tagger

    model, processor = open_model(model_dir, "taggers")
    names = model.config.label_names
    rows, told = load_evaluation(model_dir, names, split, **asked)
    metrics, scored = score_tagger(model, processor, rows, batch_size)
    labels = scored["labels"]
    if not PartialState().is_main_process:
        return
    tags = [[[names[tag] for tag in side] for side in labels[own]] for own in rows["id"]]
    errors, matches = error_report([gold for gold, _ in tags], [found for _, found in tags])
    target = output or model_dir / f"evaluation_{told['dataset']}_{told['split']}.json"
    write_json({"model": str(model_dir), **told, **metrics, "errors": errors}, target)
    rows = rows.select_columns(["id", "language", "tokens"])
    lines = list(map(_prediction, rows, tags, matches))
    if predictions is not None:
        write_text(predictions, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    console = Console()
    for table in (entity_table(metrics, f"{told['dataset']}, {told['split']}"), *error_tables(errors)):
        console.print(table)
    for error in islice(chain.from_iterable(line["errors"] for line in lines), _SHOWN):
        console.print(error["context"], markup=False, highlight=False, soft_wrap=True)
    console.print(f"All figures: {target}", soft_wrap=True)


def _prediction(row: Mapping[str, Any], tags: Sequence[Sequence[str]], matches: Sequence[Any]) -> dict[str, Any]:
    """Put together what is known of a sentence: its words, both labels of each, and its errors in context."""
    wrong = [match for match in matches if match.kind != "correct"]
    errors = []
    for match in wrong:
        sides = {name: each and each._asdict() for name, each in (("gold", match.gold), ("found", match.found))}
        errors.append({"kind": match.kind, **sides, "context": _in_context(row["tokens"], match)})
    return {**row, "tags": tags[0], "predictions": tags[1], "errors": errors}


def _in_context(tokens: Sequence[str], match: Any) -> str:
    """Spell out an error between its neighbouring words."""
    spans = [each for each in (match.gold, match.found) if each]
    start, stop = min(each.start for each in spans), max(each.stop for each in spans)
    before, after = tokens[max(start - _CONTEXT, 0) : start], tokens[stop : stop + _CONTEXT]
    gold, found = (
        f"{' '.join(tokens[each.start : each.stop])} {each.type}" if each else "none"
        for each in (match.gold, match.found)
    )
    return f"{match.kind.replace('_', ' ')}: {' '.join(before)} [{gold} → {found}] {' '.join(after)}"


def chosen_dataset(
    model_dir: Path, dataset: str | None, data_dir: str | None, words: list[str] | None
) -> tuple[str, dict[str, Any]]:
    """The dataset that is asked for, or else that of the training, with ``data_dir`` and other settings.

    Raises:
        ValueError: if an option has no equals sign, or the training does not tell what it was on.
    """
    options = dataset_options(words, data_dir)
    if dataset is not None:
        return dataset, options
    from hf_mlm.training.irle.scoring import trained_on

    dataset, before = trained_on(model_dir)
    return dataset, {**before, **options}


def entity_table(figures: dict[str, float], title: str) -> Table:
    """Precision, recall and F1 in per cent: lenient, strict, and of each group.

    Args:
        figures: of `EntityMetrics`.
        title: above the table.
    """
    from rich.table import Table

    table = Table("", *SCORES, title=f"Entities: {title}", title_justify="left")
    groups = ["", "strict", *(name[:-3] for name in figures if name.endswith("_f1") and name != "strict_f1")]
    for group in groups:
        values = [figures[f"{group}_{score}" if group else score] for score in SCORES]
        table.add_row(group or "all (lenient, as seqeval)", *(f"{100 * value:.2f}" for value in values))
    return table


def error_tables(errors: dict[str, Any]) -> list[Table]:
    """Show kinds of errors, types against types, and the schemes of SemEval 2013.

    Args:
        errors: of `error_report`.
    """
    kinds = _table("Entities by kind of error", "", "number")
    for kind, number in errors["kinds"].items():
        kinds.add_row(kind.replace("_", " "), f"{number:,}")
    confusion = errors["confusion"]
    types = sorted({kind for row in confusion.values() for kind in row} | confusion.keys(), reverse=True)
    crossed = _table("Gold types (rows) and predicted types", "", *(kind or "none" for kind in types))
    for kind in types:
        crossed.add_row(kind or "none", *(f"{confusion.get(kind, {}).get(other, 0):,}" for other in types))
    names = {"correct": "right", "incorrect": "wrong", "partial": "partly", "missed": "missed", "spurious": "extra"}
    names |= {"precision": "P", "recall": "R", "f1": "F1"}
    semeval = _table("SemEval 2013: hits by what has to be right", "", *names.values())
    for scheme, row in errors["semeval"].items():
        semeval.add_row(scheme, *(f"{100 * row[name]:.2f}" if name in SCORES else f"{row[name]:,}" for name in names))
    return [kinds, crossed, semeval]


def retrieval_table(metrics: dict[str, float]) -> Table:
    """Both directions beside chance, among pools and the whole split; no row without the task."""
    pool, gallery = int(metrics.get("pool_size", 0)), int(metrics.get("gallery_size", 0))
    table = _table(f"Retrieval among {pool:,} candidates", "", "medR", "95 %", *RECALLS, f"medR of {gallery:,}", "MRR")
    for name, title in DIRECTIONS.items():
        if f"{name}_medR" not in metrics:
            continue
        interval = f"{metrics[f'{name}_medR_low']:.1f}–{metrics[f'{name}_medR_high']:.1f}"
        recalls = [f"{metrics[f'{name}_{recall}']:.3f}" for recall in RECALLS]
        whole = [f"{metrics[f'{name}_full_medR']:.1f}", f"{metrics[f'{name}_full_MRR']:.3f}"]
        table.add_row(title, f"{metrics[f'{name}_medR']:.1f}", interval, *recalls, *whole)
    if table.row_count:
        chances = [f"{min(1, int(recall[2:]) / pool):.3f}" for recall in RECALLS]
        table.add_row("chance", f"{(pool + 1) / 2:.1f}", "", *chances, f"{(gallery + 1) / 2:.1f}", "")
    return table


def geo_table(metrics: dict[str, float]) -> Table:
    """Cells and distances of both modalities; no row without the task."""
    table = _table("Location", "", "image", "text")
    for name, (title, form) in LOCATION.items():
        if f"image_{name}" in metrics:
            table.add_row(title, *(format(metrics[f"{modality}_{name}"], form) for modality in ("image", "text")))
    return table


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table
