"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer


ModelDir = Annotated[Path, typer.Argument(help="Output folder of a training.")]
DataDir = Annotated[str | None, typer.Option(help="Folder of the dataset's files.")]
DatasetOptions = Annotated[
    list[str] | None, typer.Option("--option", help="Setting of the dataset, such as size=2000; repeatable.")
]
Split = Annotated[str, typer.Option(help="Split of the dataset.")]
Runtime = Annotated[
    Literal["torch", "onnx"], typer.Option(help="onnx: the model is a folder that hf-mlm export has written.")
]
BatchSize = Annotated[int, typer.Option(min=1, help="Rows of a batch.")]


def dataset_options(words: list[str] | None, data_dir: str | None = None) -> dict[str, Any]:
    """Read ``name=value`` settings of a dataset, values as YAML has them.

    Args:
        words: as ``--option`` gives them.
        data_dir: as ``--data-dir`` gives it; left out when None.

    Raises:
        ValueError: if a word has no equals sign.

    Example:
        >>> dataset_options(["size=2000", "hints=false"], "MLM")
        {'data_dir': 'MLM', 'size': 2000, 'hints': False}
    """
    import yaml

    for word in words or []:
        if "=" not in word:
            raise ValueError(f"Expected --option name=value, such as size=2000; found {word!r}.")
    settings = {name: yaml.safe_load(value) for name, _, value in (word.partition("=") for word in words or [])}
    return {**({"data_dir": data_dir} if data_dir else {}), **settings}


def open_for(runtime: str, folder: Path, kind: str) -> tuple[Any, Any]:
    """Open a trained model for ``torch`` or an exported one for ``onnx``; raises as these."""
    if runtime == "onnx":
        from hf_mlm.export.runtime import open_onnx

        return open_onnx(folder, kind)
    from hf_mlm.runs.open_model import open_model

    return open_model(folder, kind)
