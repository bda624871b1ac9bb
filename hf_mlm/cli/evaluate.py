"""``hf-mlm evaluate MODEL_DIR``: the metrics of a saved model on a split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hf_mlm.cli.options import BatchSize, DataDir, DatasetOptions, ModelDir, Split, dataset_options


if TYPE_CHECKING:
    from rich.table import Table

SCORES = ("precision", "recall", "f1")
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
    output: Annotated[Path | None, typer.Option(help="JSON to write; in MODEL_DIR when omitted.")] = None,
) -> None:
    """Score a saved model on a split; print tables and write all metrics as JSON."""
    from hf_mlm.registry import MODELS
    from hf_mlm.runs.open_model import saved_type

    if output is not None and output.is_dir():
        raise IsADirectoryError(f"Expected --output to name a JSON file, found the folder {output}.")
    entry = MODELS.get(saved_type(model_dir))
    if entry is not None and entry.family == "taggers":
        _evaluate_tagger(model_dir, dataset, data_dir, split, images, batch_size, output)
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
    dataset: str | None,
    data_dir: str | None,
    split: str,
    images: str | None,
    batch_size: int,
    output: Path | None,
) -> None:
    """Score a tagger: all entities, by type, by language and by source."""
    from accelerate import PartialState
    from rich.console import Console

    from hf_mlm.files import write_json
    from hf_mlm.runs.open_model import open_model
    from hf_mlm.training.taggers.data import load_sentences
    from hf_mlm.training.taggers.scoring import score_tagger, settings_of

    model, processor = open_model(model_dir, "taggers")
    arguments = settings_of(model_dir, dataset=dataset, data_dir=data_dir, images=images)
    splits = load_sentences(arguments)
    if split not in splits:
        raise ValueError(
            f"the dataset {arguments.dataset!r} has no split {split!r}; choose one of {', '.join(splits)} as split."
        )
    figures, _ = score_tagger(model, processor, splits[split], batch_size)
    if not PartialState().is_main_process:
        return
    target = output or model_dir / f"evaluation_{arguments.dataset}_{split}.json"
    write_json({"dataset": arguments.dataset, "split": split, "images": arguments.images, **figures}, target)
    console = Console()
    console.print(entity_table(figures, f"{arguments.dataset}, {split}"))
    console.print(f"All figures: {target}", soft_wrap=True)


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
