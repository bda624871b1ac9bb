"""``hf-mlm data features``: describe images and texts of raw rows by any encoders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def features(
    data_dir: Annotated[Path, typer.Option("--data_dir", "--data-dir", help="Folder of raw rows.")],
    image_encoders: Annotated[
        list[str],
        typer.Option(
            "--image_encoders", "--image-encoders", help="Folders, repositories or ResNet checkpoints, one or more."
        ),
    ],
    text_encoder: Annotated[str, typer.Option("--text_encoder", "--text-encoder", help="Folder or repository.")],
    output: Annotated[Path, typer.Option(help="Folder to write; run again to go on or to verify.")],
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,  # "--image_encoders A B"
    config: Annotated[str, typer.Option(help="irle or irle-gr.")] = "irle",
    text_layers: Annotated[
        int, typer.Option("--text_layers", "--text-layers", help="Last layers to concatenate; 1 for modern encoders.")
    ] = 4,
    segments: Annotated[
        str, typer.Option(help="mean of all segments of 500 characters, or the first (the authors' code).")
    ] = "mean",
    tokens: Annotated[
        str, typer.Option(help="Mean over all tokens, or the first of each word (the authors' code).")
    ] = "all",
    dtype: Annotated[str, typer.Option(help="Type of the vectors: float32 or float16.")] = "float32",
    batch_size: Annotated[int, typer.Option("--batch_size", "--batch-size", min=1, help="At a time.")] = 32,
    device: Annotated[str | None, typer.Option(help="Such as cuda:0.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="name=value for load_dataset; repeatable.")] = None,
) -> None:
    """Describe images, summaries and classes of raw rows; load_dataset opens the output as features."""
    from hf_mlm.cli.evaluate import dataset_options
    from hf_mlm.construction.features.describe import describe
    from hf_mlm.construction.features.texts import TextRecipe

    folder = describe(
        data_dir,
        output,
        [*image_encoders, *(more or [])],
        text_encoder,
        config,
        TextRecipe(text_layers, segments=segments, tokens=tokens),
        dtype,
        batch_size,
        device,
        **dataset_options(option or []),
    )
    sys.stdout.write(f'Verified and complete: load_dataset("mlm", "{config}", data_dir="{folder}")\n')
