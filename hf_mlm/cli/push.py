"""``hf-mlm push model|dataset|card``: put models and datasets on the Hub, with cards written from their runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hf_mlm.cli.options import DataDir, DatasetOptions, ModelDir, dataset_options


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Repo = Annotated[str, typer.Option(help="namespace/name on the Hub.")]
Private = Annotated[bool, typer.Option("--private", help="Only the namespace may read it.")]
Licence = Annotated[
    str | None, typer.Option("--licence", "--license", help="Of the weights, as the Hub names it: apache-2.0, other …")
]
Gallery = Annotated[
    bool | None,
    typer.Option(
        "--with_gallery/--without_gallery",
        "--with-gallery/--without-gallery",
        help="Make public all rows and columns of the gallery beside the model, or none. "
        "By default it goes along if it has ids, labels, coordinates and cells alone.",
    ),
]
Twins = Annotated[list[str] | None, typer.Option("--twin", help="Run to compare with in the card: NAME=FOLDER.")]


@app.callback()
def _push() -> None:
    """Put models and datasets on the Hub."""


@app.command()
def model(
    folder: ModelDir,
    repo: Repo,
    private: Private = False,
    licence: Licence = None,
    twin: Twins = None,
    gallery: Gallery = None,
) -> None:
    """Upload weights as safetensors, the processor and a card; run again to go on after an interruption."""
    from hf_mlm.publishing.models import push_model

    sys.stdout.write(f"{push_model(folder, repo, private, licence, named_folders(twin or []), gallery)}\n")


@app.command()
def dataset(
    name: Annotated[str, typer.Argument(help="mlm or mmnerd.")],
    config: Annotated[str, typer.Argument(help="Such as irle-gr, en or demo.")],
    repo: Repo,
    data_dir: DataDir = None,
    private: Private = False,
    rights_cleared: Annotated[bool, typer.Option(help="You may publish what states no licence.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Keep the Parquet files here; otherwise they go after the upload.")
    ] = None,
    option: DatasetOptions = None,
) -> None:
    """Upload a config as Parquet with embedded images, and a card; run again to go on after an interruption."""
    from hf_mlm.publishing.datasets import push_dataset

    options = {"data_dir": data_dir, **dataset_options(option)}
    address = push_dataset(name, config, repo, private, rights_cleared, folder, **options)
    sys.stdout.write(f'{address}\nload_dataset("{repo}", "{config}", streaming=True)\n')


@app.command()
def card(
    folder: ModelDir,
    repo: Repo,
    output: Annotated[Path, typer.Option(help="Markdown to write; its pictures go beside it.")],
    licence: Licence = None,
    twin: Twins = None,
    gallery: Gallery = None,
) -> None:
    """Write the card that would be pushed with a model, and push nothing."""
    from hf_mlm.publishing.models import write_card

    write_card(folder, output, repo, licence, named_folders(twin or []), gallery)
    sys.stdout.write(f"The card: {output}\n")


def named_folders(words: list[str]) -> dict[str, Path]:
    """Read ``NAME=FOLDER``.

    Raises:
        ValueError: if a word has no equals sign.

    Example:
        >>> list(named_folders(["text alone=runs/text"]))
        ['text alone']
    """
    for word in words:
        if "=" not in word:
            raise ValueError(f"--twin {word!r} must be NAME=FOLDER, such as 'text alone=runs/text'.")
    return {name: Path(folder) for name, _, folder in (word.partition("=") for word in words)}
