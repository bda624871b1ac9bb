"""``hf-mlm evaluate MODEL_DIR`` where the model is a tagger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer


if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

SCORES = ("precision", "recall", "f1")


@app.command()
def evaluate(
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

    from hf_mlm.training.evaluation import write_json
    from hf_mlm.training.scoring_ner import load_tagger, score_tagger, settings_of
    from hf_mlm.training.sentences import load_sentences

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


def main(argv: list[str]) -> None:
    """Run ``hf-mlm evaluate …``.

    Args:
        argv: the words after ``hf-mlm evaluate``.
    """
    app(args=argv, prog_name="hf-mlm evaluate")
