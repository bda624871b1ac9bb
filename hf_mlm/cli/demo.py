"""``hf-mlm demo``: train IR+LE on the embedded world and look at what it finds."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer


if TYPE_CHECKING:
    from rich.table import Table

    from hf_mlm.reporting.demo_report import Section
    from hf_mlm.training.irle.train import Run

REPORT = "report.html"
QUERY = "query.jpg"
RECIPE = "demo"


class Holdout(StrEnum):
    """How the world is divided: by blocks of about 290 km, or settlement by settlement."""

    BLOCKS = "blocks"
    RANDOM = "random"


def demo(
    size: Annotated[int, typer.Option(help="Settlements of the world, up to 234,908.")] = 6000,
    output: Annotated[Path, typer.Option(help="Folder of the model and the report.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Of the world, the split and the training.")] = 0,
    holdout: Annotated[Holdout, typer.Option(help="What is held out; random is the easy split.")] = Holdout.BLOCKS,
    epochs: Annotated[float | None, typer.Option(help="Instead of the recipe's.")] = None,
) -> None:
    """Train IR+LE from scratch on real settlements and overhead imagery, and write a report with a map."""
    from rich.console import Console

    from hf_mlm.files import write_text
    from hf_mlm.reporting.demo_findings import find, first_images
    from hf_mlm.reporting.demo_report import COLUMNS, NOTE, figure_sections, radius_lines, render
    from hf_mlm.runs.gallery import FOLDER, Gallery
    from hf_mlm.runs.settings import read_recipe

    if epochs is not None and not 0 < epochs < math.inf:
        raise ValueError(f"--epochs {epochs:g} must be above 0.")
    console = Console()
    with fresh_folder(output) as folder:
        world = {"size": size, "holdout": holdout.value, "seed": seed}
        run = train_on(world, folder, output, seed, epochs)
        train, test = run.dataset["train"], run.dataset["test"]
        console.print(f"Looking at {len(test):,} held-out settlements, with and without hints in the texts …")
        model: Any = run.trainer.model
        density = read_recipe(RECIPE).get("density", 1)
        gallery = Gallery.load(folder / FOLDER)
        findings = find(model, run.trainer.processing_class, gallery, train, test, without_hints(world, density))
        commands = next_commands(output, test)
        first_images(test.select([0]))[0].save(folder / QUERY, quality=95)
        write_text(folder / REPORT, render(run, findings, holdout.value, seed, commands))
    sections = figure_sections(findings, model.config.num_geo_cells)
    console.print(figure_table(COLUMNS, sections))
    console.print(NOTE, style="dim")
    console.print(*radius_lines(findings), sep="\n")
    console.print(f"\nThe report: [bold]{output / REPORT}[/bold]\nTry next:", *commands, sep="\n  ", soft_wrap=True)


def train_on(world: dict[str, Any], folder: Path, output: Path, seed: int, epochs: float | None = None) -> Run:
    """Train by the shipped recipe.

    Args:
        world: settings of the dataset ``mlm``, config ``demo``.
        folder: where the run is written.
        output: where it will lie in the end, which its saved settings tell.
        seed: of the training.
        epochs: instead of the recipe's.
    """
    from transformers.trainer import TRAINING_ARGS_NAME

    from hf_mlm.runs.settings import parse_settings
    from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments
    from hf_mlm.training.irle.train import train

    words = ["--config", RECIPE, "--output_dir", str(output), "--seed", str(seed)]
    words += ["--dataset_options", json.dumps(world)]
    words += [] if epochs is None else ["--num_train_epochs", str(epochs)]
    arguments, training_arguments = parse_settings([IRLEArguments, IRLETrainingArguments], words, "hf-mlm demo")
    training_arguments.output_dir = str(folder)
    run = train(arguments, training_arguments)
    (folder / TRAINING_ARGS_NAME).unlink()  # a pickle of what settings.yaml says, and it names the scratch folder
    return run


def without_hints(world: dict[str, Any], density: int = 1) -> Any:
    """The same world, with texts that tell neither country nor region."""
    from datasets import load_dataset

    return load_dataset("mlm", "demo", **world, hints=False, density=density)


def next_commands(output: Path, rows: Any) -> list[str]:
    """Commands that ask the trained model about a held-out settlement, ready to paste."""
    text = rows[0]["summaries"]["en"].replace('"', "'")
    return [
        f"hf-mlm predict {output} --image {output / QUERY} --gallery same",
        f'hf-mlm predict {output} --text "{text}" --classes "{", ".join(rows[0]["classes"])}"',
    ]


def figure_table(columns: tuple[str, ...], sections: list[Section]) -> Table:
    """The table of figures for a terminal."""
    from rich.table import Table

    table = Table(*columns[:1], title="On settlements that were held out", title_justify="left")
    for column in columns[1:]:
        table.add_column(column, justify="right", style="bold" if column == columns[1] else None)
    for heading, rows in sections:
        table.add_row(f"[bold]{heading}[/bold]")
        for name, *figures in rows:
            table.add_row(f"  {name}", *figures)
        table.add_section()
    return table


@contextmanager
def fresh_folder(target: Path) -> Iterator[Path]:
    """Give a new folder beside ``target``, and put it in its place when all went well.

    Whatever interrupts the work leaves ``target`` as it was.

    Raises:
        ValueError: if ``target`` is a file, or a folder that holds something else than a demo.
    """
    if target.exists() and not (target.is_dir() and ((target / REPORT).is_file() or not any(target.iterdir()))):
        raise ValueError(f"--output {target} is there already and holds no demo: name another folder, or remove it.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        folder = Path(scratch, "new")
        folder.mkdir()
        yield folder
        if target.exists():
            os.replace(target, Path(scratch, "old"))
        os.replace(folder, target)
