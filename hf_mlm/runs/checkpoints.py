"""Training that goes on where it stopped: locks, checkpoints, and interrupts that always arrive."""

from __future__ import annotations

import json
import pickle
import re
import signal
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model
from transformers import Trainer, TrainerState, TrainingArguments
from transformers.utils import logging

from hf_mlm.files import check_room, full_disk_in_words, locked
from hf_mlm.runs.results import RESULTS_NAME
from hf_mlm.runs.settings import refuse_other_settings, save_settings


WEIGHTS, STATE = "model.safetensors", "trainer_state.json"
NEEDED = (WEIGHTS, "optimizer.pt", "scheduler.pt", STATE)

logger = logging.get_logger(__name__)


Train = TypeVar("Train", bound=Callable[..., Any])


def sole_run(train: Train) -> Train:
    """Decorate a training function, so that it has its output folder to itself and can be stopped at any time.

    The first of several processes holds the folder for all of them.

    Args:
        train: takes the settings of data and model, and the ``TrainingArguments``.

    Returns:
        The function, which raises BlockingIOError where another training is at work in ``output_dir``, PermissionError
        where that cannot be written to, and OSError with a message where the disk is full.
    """

    @wraps(train)
    def alone(arguments: Any, training_arguments: TrainingArguments, **options: Any) -> Any:
        folder = str(training_arguments.output_dir)
        with ExitStack() as stack:
            if not training_arguments.process_index:
                stack.enter_context(locked(folder, "train"))
            stack.enter_context(interruptible())
            stack.enter_context(full_disk_in_words(folder, "and train again: it goes on from the last checkpoint"))
            return train(arguments, training_arguments, **options)

    return alone  # type: ignore[return-value]


def find_checkpoint(settings: tuple[Any, Any]) -> str | None:
    """Find the checkpoint to go on from.

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
    """Describe what is wrong with a checkpoint, or None if it is whole.

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
        json.loads((folder / STATE).read_text(encoding="utf-8"))
        with safe_open(folder / WEIGHTS, framework="pt"):  # compares the header with the file's length
            return None
    except (ValueError, SafetensorError) as error:
        return f"it is damaged ({error})"


def run_training(trainer: Trainer, settings: tuple[Any, Any], checkpoint: str | None) -> dict[str, float]:
    """Train from the beginning or from a checkpoint, unless that is the end of the run.

    The output folder holds the settings before the first step. A run that is finished, by ``max_steps`` or its last
    epoch, gets its model and metrics back as it left them.

    Args:
        trainer: with model and data.
        settings: as for `find_checkpoint`, whose answer ``checkpoint`` is.
        checkpoint: where to go on.

    Returns:
        Metrics of the training.

    Raises:
        ValueError: if the checkpoint is that of another model, or holds more than tensors and plain values.
        OSError: if there is no room for a checkpoint.
    """
    output_dir = str(trainer.args.output_dir)
    if checkpoint is not None:
        _refuse_other_weights(checkpoint, trainer.model)
        if _is_finished(TrainerState.load_from_json(str(Path(checkpoint, STATE))), trainer.args):
            return _take_finished(trainer, checkpoint)
    if trainer.args.should_save:
        save_settings(settings, output_dir)
        check_room(output_dir, _checkpoint_bytes(trainer.model))
    try:
        return trainer.train(resume_from_checkpoint=checkpoint).metrics
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"training cannot go on from {checkpoint}: a file of it holds more than tensors and could run code; "
            "remove the folder to go on from an earlier one."
        ) from error


def _checkpoint_bytes(model: torch.nn.Module) -> int:
    """Room that a run needs at least: for the model, and a checkpoint of it with Adam's two moments."""
    return sum((4 if weights.requires_grad else 2) * weights.nbytes for weights in model.parameters())


def _refuse_other_weights(checkpoint: str, model: torch.nn.Module) -> None:
    """Refuse a checkpoint of a model of other sizes, by the headers of its weights, naming the first that differs."""
    own = {name: tuple(values.shape) for name, values in model.state_dict().items()}
    with safe_open(Path(checkpoint, WEIGHTS), framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118, no mapping
            shape = tuple(weights.get_slice(name).get_shape())
            if shape != own.get(name):
                raise ValueError(
                    f"training cannot go on from {checkpoint}: its {name} has shape {shape}, and the model's has "
                    f"{own.get(name, 'none')}; choose a checkpoint of the same settings, or train anew elsewhere."
                )


def _is_finished(state: TrainerState, arguments: TrainingArguments) -> bool:
    """Tell whether nothing is left to train; the Trainer would add a step to a run bounded by ``max_steps``."""
    if arguments.max_steps > 0:
        return state.global_step >= arguments.max_steps
    return (state.epoch or 0) >= arguments.num_train_epochs


def _take_finished(trainer: Trainer, checkpoint: str) -> dict[str, float]:
    """Give a finished run its weights, the best or the last, its history, and the metrics that its training left."""
    output_dir, state = Path(str(trainer.args.output_dir)), TrainerState.load_from_json(str(Path(checkpoint, STATE)))
    best = output_dir / Path(state.best_model_checkpoint or "").name
    is_best = trainer.args.load_best_model_at_end and state.best_model_checkpoint and damage_of(best) is None
    source = best if is_best else Path(checkpoint)
    logger.warning(f"{output_dir} holds a finished run, which is not trained on: its model is that of {source}.")
    load_model(trainer.model, source / WEIGHTS)
    trainer.state = state
    path = output_dir / RESULTS_NAME
    written = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {name: value for name, value in written.items() if not name.startswith(("eval_", "test_"))}


@contextmanager
def interruptible(every: float = 1.0) -> Iterator[None]:
    """Repeat a Ctrl-C until the block is left, and take SIGTERM for one.

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

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
