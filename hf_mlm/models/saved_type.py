"""The kind of model that a folder holds, by its configuration alone."""

from __future__ import annotations

import json
from pathlib import Path


def saved_type(folder: Path, name: str | None = None) -> str:
    """Read ``model_type`` from a folder's ``config.json``.

    Args:
        folder: where a model was saved.
        name: of the model in an error; the folder when omitted.

    Raises:
        FileNotFoundError: if there is no such folder, or no configuration in it.
        ValueError: if the configuration is damaged or tells no type.
    """
    name = name or str(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {name!r}: name the output_dir of a finished training.")
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{name} has no config.json: name the output_dir of a training.")
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["model_type"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the configuration of a model ({error!r}).") from error
