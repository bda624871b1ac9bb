"""``hf-mlm data``: bring datasets here and make them fast to read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hf_mlm.cli.data_check import check
from hf_mlm.cli.data_features import features


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _data() -> None:
    """Bring datasets here and make them fast to read."""


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Folder of the authors' HDF5 features.")],
    target: Annotated[Path, typer.Argument(help="Folder to write; run again to go on or to verify.")],
    config: Annotated[str, typer.Option(help="irle or irle-gr, where SOURCE holds both.")] = "irle",
    dtype: Annotated[str, typer.Option(help="Type of the vectors: float32 or float16 (half the size).")] = "float32",
) -> None:
    """Convert HDF5 features to Parquet, shard by shard, verified row by row."""
    from hf_mlm.data.convert import convert as run

    manifest = run(source, target, config=config, dtype=dtype)
    sys.stdout.write(f'Verified and complete: load_dataset("mlm", "{config}", data_dir="{manifest.parent}")\n')


@app.command()
def download(
    config: Annotated[str, typer.Argument(help="mlm (raw, 9 GB), irle or irle-gr (features).")],
    target: Annotated[Path, typer.Argument(help="Folder to write; run again to go on.")],
) -> None:
    """Download a config's files from Zenodo record 3885753, verified and unpacked."""
    from hf_mlm.data.download import download as run

    folder = run(config, target)
    sys.stdout.write(f'Complete: load_dataset("mlm", "{config}", data_dir="{folder}")\n')


app.command()(check)
app.command()(features)


def main(argv: list[str]) -> None:
    """Run ``hf-mlm data …``.

    Args:
        argv: the words after ``hf-mlm data``.
    """
    app(args=argv, prog_name="hf-mlm data")
