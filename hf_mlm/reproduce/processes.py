"""The processes that ``torchrun`` or ``accelerate launch`` has started, or the one that there is."""

from __future__ import annotations

from typing import Any


def on_cpu() -> bool:
    """Whether there is no accelerator, which Accelerate and the Trainer want to be told before they form a group."""
    import torch

    return not torch.accelerator.is_available()


def processes() -> Any:
    """The `accelerate.PartialState` of this process, the same before, during and after trainings."""
    from accelerate import PartialState

    return PartialState(cpu=True) if on_cpu() else PartialState()
