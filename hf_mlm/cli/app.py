"""``hf-mlm app MODEL [MODEL …] [--gallery …] [--host …] [--port …] [--share] [--space FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hf_mlm.cli.options import DataDir, DatasetOptions, dataset_options


if TYPE_CHECKING:
    from hf_mlm.app.opening import GalleryRows


def serve(
    models: Annotated[list[str], typer.Argument(help="An IR+LE, a tagger or both: folders, or ids on the Hub.")],
    gallery: Annotated[
        str | None,
        typer.Option(help="To search: a gallery's folder, a dataset (demo, irle, irle-gr) or 'same'."),
    ] = None,
    split: Annotated[str, typer.Option(help="Split of a dataset as gallery.")] = "test",
    data_dir: DataDir = None,
    option: DatasetOptions = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; this machine alone if omitted.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="First free one from 7860 if omitted.")] = None,
    share: Annotated[bool, typer.Option("--share", help="Open a public tunnel through Gradio's servers.")] = False,
    mcp: Annotated[bool, typer.Option("--mcp", help="Offer locate, retrieve and tag as MCP tools.")] = False,
    space: Annotated[Path | None, typer.Option(help="Serve nothing; write a Space's files to this folder.")] = None,
) -> None:
    """Serve a page that places images and texts on a map, finds what resembles them, and marks who is named."""
    searched = chosen_gallery(gallery, split, data_dir, option)
    if space is not None:
        from hf_mlm.app.space import write_space

        sys.stdout.write(f"The Space: {write_space(space, models, searched)}\n")
        return
    from hf_mlm.app.page import serve as serve_page

    serve_page(models, searched, host, port, share, mcp)


def chosen_gallery(
    gallery: str | None, split: str, data_dir: str | None, words: list[str] | None
) -> str | GalleryRows | None:
    """Tell a gallery's folder from a dataset.

    Args:
        gallery: folder or dataset.
        split: of the dataset.
        data_dir: of the dataset.
        words: its further settings, ``name=value``.

    Raises:
        ValueError: if a setting has no equals sign, or settings are given without a dataset.

    Example:
        >>> chosen_gallery("demo", "test", None, ["size=2000"])
        GalleryRows(dataset='demo', split='test', options={'size': 2000})
    """
    from hf_mlm.app.opening import GalleryRows

    options = dataset_options(words, data_dir)
    if gallery is not None and not Path(gallery).is_dir():
        return GalleryRows(gallery, split, options)
    if options:
        raise ValueError("--data_dir and --option are for a dataset as gallery: pass --gallery same, or its name.")
    return gallery
