from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hf_mlm.data.collators import DataCollatorForRetrievalAndGeo
from hf_mlm.training.arguments import IRLETrainingArguments
from hf_mlm.training.checkpoints import damage_of, last_complete_checkpoint
from hf_mlm.training.trainer import IRLETrainer


FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


@pytest.fixture
def run(tmp_path: Path, feature_rows: Callable[..., Any], tiny_model: Callable[..., Any]) -> Path:
    """A run with checkpoints 2, 4 and 10."""
    arguments = IRLETrainingArguments(str(tmp_path), save_steps=2, max_steps=4, use_cpu=True, disable_tqdm=True)
    rows = feature_rows(16)
    IRLETrainer(tiny_model(), arguments, train_dataset=rows, data_collator=DataCollatorForRetrievalAndGeo()).train()
    shutil.copytree(tmp_path / "checkpoint-4", tmp_path / "checkpoint-10")
    return tmp_path


def test_newest_whole_checkpoint_is_found_by_its_step(run: Path) -> None:
    (run / "checkpoint-best").mkdir()
    assert last_complete_checkpoint(run) == str(run / "checkpoint-10")
    assert last_complete_checkpoint(run / "absent") is None


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_damaged_checkpoint_is_passed_over(run: Path, name: str, damage: str) -> None:
    file = run / "checkpoint-10" / name
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    assert name in str(damage_of(run / "checkpoint-10")) or "damaged" in str(damage_of(run / "checkpoint-10"))
    assert last_complete_checkpoint(run) == str(run / "checkpoint-4")


def test_states_of_several_processes_are_all_looked_into(run: Path) -> None:
    folder = run / "checkpoint-10"
    (folder / "rng_state.pth").rename(folder / "rng_state_0.pth")
    torch.save({}, folder / "rng_state_1.pth")
    assert damage_of(folder) is None
    (folder / "rng_state_1.pth").write_bytes(b"PK")
    assert damage_of(folder) == "rng_state_1.pth is cut off"


def test_none_is_found_where_all_are_damaged(run: Path) -> None:
    for folder in run.glob("checkpoint-*"):
        (folder / "trainer_state.json").write_text(json.dumps({})[:1])
    assert last_complete_checkpoint(run) is None
