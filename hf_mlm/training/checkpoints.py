"""Which checkpoint of an interrupted run is whole.

A checkpoint is written file by file, its ``trainer_state.json`` last. A process that dies in the middle leaves a
folder that looks like the newest checkpoint and is none; here every file of it is looked into before it is trusted.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers.utils import logging


logger = logging.get_logger(__name__)

NEEDED = ("model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")


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
