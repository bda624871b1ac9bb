from __future__ import annotations

import gc
import signal
import threading
import time
import weakref
import pytest
from hf_mlm.runs.checkpoints import interruptible
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
import torch
from hf_mlm.data.mlm.builder.collator import DataCollatorForRetrievalAndGeo
from hf_mlm.training.irle.arguments import IRLETrainingArguments
from hf_mlm.runs.checkpoints import damage_of, last_complete_checkpoint
from hf_mlm.training.irle.trainer import IRLETrainer


class Key:
    """Something that can be referred to weakly."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_drops_comes_again() -> None:
    key = Key()
    reference = weakref.ref(key, lambda _: signal.raise_signal(signal.SIGINT))
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interruptible(every=0.1):
        del key
        gc.collect()
        assert reference() is None
        time.sleep(20)
    assert time.monotonic() - began < 10


def test_nothing_is_left_behind() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)]
    with pytest.raises(KeyboardInterrupt), interruptible(every=0.1):
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    time.sleep(0.2)


def test_other_threads_have_no_signals_and_no_trouble() -> None:
    done = []

    def use() -> None:
        with interruptible():
            done.append(True)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert done == [True]


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
