"""Ctrl-C that arrives."""

from __future__ import annotations

import json
import pickle
import re
import signal
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import Trainer
from transformers.utils import logging

from hf_mlm.runs.settings import refuse_other_settings, save_settings


@contextmanager
def interruptible(every: float = 1.0) -> Iterator[None]:
    """Repeat a Ctrl-C until the block is left.

    Python drops a KeyboardInterrupt that falls into the callback of a weak reference, which happens often in training:
    the user presses Ctrl-C, and hours go by.

    Args:
        every: seconds after which an interrupt that was dropped is raised again.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, every)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGALRM)}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


logger = logging.get_logger(__name__)

NEEDED = ("model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")


def find_checkpoint(settings: tuple[Any, Any]) -> str | None:
    """Find where to go on.

    Args:
        settings: of data and model, and the ``TrainingArguments``, whose ``output_dir`` is where the run lives.

    Returns:
        ``resume_from_checkpoint`` if it is set, else the last whole checkpoint in the output folder, or None.

    Raises:
        ValueError: if that checkpoint is not whole, or the output folder holds a run with other settings.
    """
    arguments = settings[1]
    checkpoint = arguments.resume_from_checkpoint
    if checkpoint is not None and damage_of(checkpoint):
        raise ValueError(f"training cannot go on from {checkpoint}: {damage_of(checkpoint)}.")
    if checkpoint is None and (checkpoint := last_complete_checkpoint(arguments.output_dir)):
        refuse_other_settings(settings, arguments.output_dir)
        logger.warning(f"Going on from {checkpoint}.")
    return checkpoint


def run_training(trainer: Trainer, settings: tuple[Any, Any], checkpoint: str | None) -> dict[str, float]:
    """Train from the beginning or from a checkpoint, once the output folder tells with which settings.

    Args:
        trainer: with model and data.
        settings: as for `find_checkpoint`, whose answer ``checkpoint`` is.
        checkpoint: where to go on.

    Returns:
        figures of the training.

    Raises:
        ValueError: if the checkpoint is that of another model, or holds more than tensors and plain values.
    """
    if checkpoint is not None:
        refuse_other_weights(checkpoint, trainer.model)
    if trainer.args.should_save:
        save_settings(settings, trainer.args.output_dir)
    try:
        with interruptible():
            return trainer.train(resume_from_checkpoint=checkpoint).metrics
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"training cannot go on from {checkpoint}: a file of it holds more than tensors and could run code; "
            "remove the folder to go on from an earlier one."
        ) from error


def refuse_other_weights(checkpoint: str, model: torch.nn.Module) -> None:
    """Refuse a checkpoint of a model of other sizes, by the headers of its weights.

    Raises:
        ValueError: naming the first weight that differs.
    """
    own = {name: tuple(values.shape) for name, values in model.state_dict().items()}
    with safe_open(Path(checkpoint, "model.safetensors"), framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118, no mapping
            shape = tuple(weights.get_slice(name).get_shape())
            if shape != own.get(name):
                raise ValueError(
                    f"training cannot go on from {checkpoint}: its {name} has shape {shape}, and the model's has "
                    f"{own.get(name, 'none')}; choose a checkpoint of the same settings, or train anew elsewhere."
                )


def last_complete_checkpoint(output_dir: str | Path) -> str | None:
    """Find the newest checkpoint that training can go on from.

    Args:
        output_dir: of the interrupted run; it need not exist.

    Returns:
        The path of ``checkpoint-<step>``, or None where no whole one is found. Damaged ones are logged and passed
        over.
    """
    steps = {
        int(found[1]): folder
        for folder in Path(output_dir).glob("checkpoint-*")
        if (found := re.fullmatch(r"checkpoint-(\d+)", folder.name))
    }
    for step in sorted(steps, reverse=True):
        damage = damage_of(steps[step])
        if damage is None:
            return str(steps[step])
        logger.warning(f"{steps[step]} is passed over: {damage}.")
    return None


def damage_of(checkpoint: str | Path) -> str | None:
    """Say what is wrong with a checkpoint, or None if it is whole.

    Args:
        checkpoint: folder that a Trainer has written, with the states of one or several processes.
    """
    folder = Path(checkpoint)
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if not any(folder.glob("rng_state*.pth")):
        missing.append("rng_state.pth")
    if missing:
        return f"it lacks {', '.join(missing)}"
    for archive in sorted(folder.glob("*.pt*")):  # torch.save writes zip archives, whose directory comes last
        if not zipfile.is_zipfile(archive):
            return f"{archive.name} is cut off"
    try:
        json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
        with safe_open(folder / "model.safetensors", framework="pt"):  # compares the header with the file's length
            return None
    except (ValueError, SafetensorError) as error:
        return f"it is damaged ({error})"
