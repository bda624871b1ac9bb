"""Weights from files that others made."""

from __future__ import annotations

import os
import pickle
from typing import Any

import torch


# What torch raises for a file that holds code or is damaged, by where it stumbles.
_REFUSALS = (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError)


def read_state_dict(path: str | os.PathLike[str]) -> Any:
    """Read what ``torch.save`` wrote, without running any code in it.

    Args:
        path: of a file with tensors and plain values alone.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or holds more than tensors and plain values.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except _REFUSALS as error:
        raise ValueError(
            f"{os.fspath(path)} is refused: it is damaged, or holds more than tensors and could run code. "
            "Save the model's state_dict alone."
        ) from error
