"""The processes that ``torchrun`` or ``accelerate launch`` has started, or the one that there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar


BATCH = "per_device_train_batch_size"
Answer = TypeVar("Answer")


def on_cpu() -> bool:
    """Whether there is no accelerator, which Accelerate and the Trainer want to be told before they form a group."""
    import torch

    return not torch.accelerator.is_available()


def processes() -> Any:
    """The `accelerate.PartialState` of this process, the same before, during and after trainings."""
    from accelerate import PartialState

    return PartialState(cpu=True) if on_cpu() else PartialState()


def from_main_process(ask: Callable[[], Answer]) -> Answer:
    """Ask on the main process, and give all of them its answer, which must be one that can be pickled."""
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([ask() if processes().is_main_process else None])[0]


def share_batch(settings: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Divide the training batch among the processes, so that a step learns from as many rows as the papers' steps.

    Args:
        settings: of a training, its batch that of all processes together.
        chosen: what the user has set; a batch there is that of each process, and stays.

    Raises:
        ValueError: if the processes cannot have equal shares.
    """
    count = processes().num_processes
    if BATCH in chosen or BATCH not in settings:
        return dict(settings)
    rows = settings[BATCH]
    if rows % count:
        raise ValueError(
            f"{count} processes cannot share a batch of {rows} rows: start 2, 4 or 8 of them, or name the rows of "
            f"each with --override {BATCH}=N."
        )
    return {**settings, BATCH: rows // count}


def quiet() -> None:
    """Draw no progress bars in this process, whose runs take seconds each."""
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.disable_progress_bar()
