"""``hf-mlm evaluate MODEL_DIR`` where the model is a tagger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer


if TYPE_CHECKING:
    from rich.table import Table


tagger_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

SCORES = ("precision", "recall", "f1")


@tagger_app.command()
def evaluate_tagger(
    model_dir: Annotated[Path, typer.Argument(help="Output folder of a training.")],
    dataset: Annotated[
        str | None, typer.Option(help="Such as en, all or demo; that of the training if omitted.")
    ] = None,
    data_dir: Annotated[str | None, typer.Option("--data_dir", "--data-dir", help="Folder of its files.")] = None,
    split: Annotated[str, typer.Option(help="Split to score.")] = "test",
    images: Annotated[str | None, typer.Option(help="own, shuffled, blank or none.")] = None,
    batch_size: Annotated[int, typer.Option("--batch_size", "--batch-size", min=1, help="Rows of a batch.")] = 64,
    output: Annotated[Path | None, typer.Option(help="JSON to write; in MODEL_DIR when omitted.")] = None,
) -> None:
    """Score a saved tagger on a split: all, by type, by language and by source."""
    from accelerate import PartialState
    from rich.console import Console

    from hf_mlm.training.irle.metrics import write_json
    from hf_mlm.training.taggers.data import load_sentences
    from hf_mlm.training.taggers.scoring import load_tagger, score_tagger, settings_of

    model, processor = load_tagger(model_dir)
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


def main_of_tagger(argv: list[str]) -> None:
    """Run ``hf-mlm evaluate …``.

    Args:
        argv: the words after ``hf-mlm evaluate``.
    """
    tagger_app(args=argv, prog_name="hf-mlm evaluate")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

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


@app.command()
def evaluate(
    model_dir: Annotated[Path, typer.Argument(help="Output folder of a training.")],
    dataset: Annotated[
        str | None, typer.Option(help="demo, irle or irle-gr; that of the training if omitted.")
    ] = None,
    data_dir: Annotated[str | None, typer.Option("--data_dir", "--data-dir", help="Folder of its files.")] = None,
    split: Annotated[str, typer.Option(help="Split to score.")] = "test",
    option: Annotated[list[str] | None, typer.Option(help="Setting of the dataset, such as size=2000.")] = None,
    batch_size: Annotated[int, typer.Option("--batch_size", "--batch-size", min=1, help="Rows of a batch.")] = 64,
    pool_size: Annotated[
        int, typer.Option("--pool_size", "--pool-size", min=1, help="Candidates of retrieval.")
    ] = 500,
    pools: Annotated[int, typer.Option(min=1, help="Draws of that many candidates.")] = 10,
    output: Annotated[Path | None, typer.Option(help="JSON to write; in MODEL_DIR when omitted.")] = None,
) -> None:
    """Score a saved model on a split; print tables and write all figures as JSON."""
    from accelerate import PartialState
    from rich.console import Console

    from hf_mlm.training.irle.metrics import write_json
    from hf_mlm.training.irle.scoring import load_rows, load_saved, score

    if output is not None and output.is_dir():
        raise IsADirectoryError(f"--output {output} is a folder; name the JSON file to write.")
    model, processor = load_saved(model_dir)
    dataset, options = chosen_dataset(model_dir, dataset, data_dir, option or [])
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


def chosen_dataset(
    model_dir: Path, dataset: str | None, data_dir: str | None, words: list[str]
) -> tuple[str, dict[str, Any]]:
    """The dataset that is asked for, or else that of the training, with ``data_dir`` and other settings.

    Raises:
        ValueError: if an option has no equals sign, or the training does not tell what it was on.
    """
    options = {**({"data_dir": data_dir} if data_dir else {}), **dataset_options(words)}
    if dataset is not None:
        return dataset, options
    from hf_mlm.training.irle.scoring import trained_on

    dataset, before = trained_on(model_dir)
    return dataset, {**before, **options}


def dataset_options(words: list[str]) -> dict[str, Any]:
    """Read ``name=value`` settings, values as YAML has them.

    Raises:
        ValueError: if a word has no equals sign.

    Example:
        >>> dataset_options(["size=2000", "hints=false"])
        {'size': 2000, 'hints': False}
    """
    import yaml

    for word in words:
        if "=" not in word:
            raise ValueError(f"--option {word!r} must be name=value, such as size=2000.")
    return {name: yaml.safe_load(value) for name, _, value in (word.partition("=") for word in words)}


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


def main(argv: list[str]) -> None:
    """Run ``hf-mlm evaluate …``.

    Args:
        argv: the words after ``hf-mlm evaluate``.
    """
    if _is_tagger(argv):
        return main_of_tagger(argv)
    return app(args=argv, prog_name="hf-mlm evaluate")


def _is_tagger(words: list[str]) -> bool:
    """Whether the first word that is the folder of a model is that of a tagger, for which there are other options."""
    from hf_mlm.registry import MODELS
    from hf_mlm.runs.open_model import saved_type

    for word in words:
        if Path(word, "config.json").is_file():
            try:
                entry = MODELS.get(saved_type(Path(word)))
            except ValueError:  # damaged: opening the model tells so
                return False
            return entry is not None and entry.family == "taggers"
    return False
