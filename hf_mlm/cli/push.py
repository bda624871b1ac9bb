"""``hf-mlm push model|dataset|card``: put models and datasets on the Hub, with cards written from their runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hf_mlm.cli.options import DataDir, DatasetOptions, ModelDir, dataset_options


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Repo = Annotated[str | None, typer.Option(help="namespace/name on the Hub.")]
Private = Annotated[bool, typer.Option("--private", help="Only the namespace may read it.")]
Licence = Annotated[
    str | None, typer.Option("--licence", "--license", help="By the Hub's or SPDX's name: cc-by-4.0, other …")
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
Others = Annotated[
    list[str] | None,
    typer.Option("--compare", "--twin", help="Run to compare with in the card: NAME=FOLDER; repeatable."),
]
DryRun = Annotated[Path | None, typer.Option(help="Upload nothing, and write what would be uploaded to this folder.")]


@app.callback()
def _push() -> None:
    """Put models and datasets on the Hub."""


@app.command()
def model(
    folder: ModelDir,
    repo: Repo = None,
    private: Private = False,
    licence: Licence = None,
    compare: Others = None,
    gallery: Gallery = None,
    dry_run: DryRun = None,
) -> None:
    """Upload weights as safetensors, the processor and a card; run again to go on after an interruption."""
    from hf_mlm.publishing.models import push_model

    others = named_folders(compare or [])
    sys.stdout.write(f"{push_model(folder, repo, private, licence, others, gallery, dry_run)}\n")


@app.command()
def dataset(
    name: Annotated[str, typer.Argument(help="mlm or mmnerd.")],
    config: Annotated[str, typer.Argument(help="Such as irle-gr, en or demo.")],
    repo: Repo = None,
    data_dir: DataDir = None,
    private: Private = False,
    licence: Licence = None,
    dry_run: DryRun = None,
    keep_exif: Annotated[
        bool, typer.Option("--keep-exif", help="Leave in images what cameras wrote: place, time, serial number.")
    ] = False,
    rights_cleared: Annotated[bool, typer.Option(help="You may publish what states no licence.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Keep the Parquet files here; otherwise they go after the upload.")
    ] = None,
    option: DatasetOptions = None,
) -> None:
    """Upload a config as Parquet with embedded images, and a card; run again to go on after an interruption."""
    from hf_mlm.publishing.datasets import push_dataset

    options = {"data_dir": data_dir, **dataset_options(option)}
    chosen: dict[str, Any] = {"licence": licence, "keep_exif": keep_exif, "dry_run": dry_run}
    address = push_dataset(name, config, repo, private, rights_cleared, folder, **chosen, **options)
    opened = f'"{dry_run}", "{config}"' if dry_run else f'"{repo}", "{config}", streaming=True'
    sys.stdout.write(f"{address}\nload_dataset({opened})\n")


@app.command()
def card(
    folder: ModelDir,
    output: Annotated[Path, typer.Option(help="Markdown to write; its pictures go beside it.")],
    repo: Repo = None,
    licence: Licence = None,
    compare: Others = None,
    gallery: Gallery = None,
) -> None:
    """Write the card that would be pushed with a model, and push nothing."""
    from hf_mlm.publishing.models import write_card

    write_card(folder, output, repo, licence, named_folders(compare or []), gallery)
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
            raise ValueError(f"Expected --compare NAME=FOLDER, such as 'text alone=runs/text', found {word!r}.")
    return {name: Path(folder) for name, _, folder in (word.partition("=") for word in words)}
