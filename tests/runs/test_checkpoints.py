"""Checkpoints: the last whole one, a run that is finished, and interrupts that arrive."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo
from hf_mlm.files import locked
from hf_mlm.runs import checkpoints
from hf_mlm.runs.checkpoints import (
    damage_of,
    find_checkpoint,
    interruptible,
    last_complete_checkpoint,
    run_training,
    sole_run,
)
from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments
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
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    with pytest.raises(KeyboardInterrupt), interruptible(every=0.1):
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    time.sleep(0.2)


def test_a_termination_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGTERM)


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


Make = Callable[..., IRLETrainer]


@pytest.fixture
def trainer(tmp_path: Path, feature_rows: Callable[..., Any], tiny_model: Callable[..., Any]) -> Make:
    """Makes a trainer of 24 rows, six steps an epoch, whose run lies in ``run``."""

    def make(**settings: Any) -> IRLETrainer:
        defaults: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2, "seed": 1, "learning_rate": 0.01}
        arguments = IRLETrainingArguments(
            str(tmp_path / "run"),
            per_device_train_batch_size=4,
            use_cpu=True,
            disable_tqdm=True,
            report_to="none",
            **{**defaults, **settings},
        )
        torch.manual_seed(0)
        rows = feature_rows(24)
        return IRLETrainer(
            tiny_model(),
            arguments,
            train_dataset=rows,
            eval_dataset=rows,
            data_collator=DataCollatorForRetrievalAndGeo(seed=1),
        )

    return make


def go(trainer: IRLETrainer) -> dict[str, float]:
    """What `train` does, up to the metrics of the training."""
    settings = (IRLEArguments(), trainer.args)
    metrics = run_training(trainer, settings, find_checkpoint(settings))
    trainer.save_model()
    return metrics


BOUNDS = {"steps": {"max_steps": 8}, "steps at an epoch's end": {"max_steps": 12}, "epochs": {"num_train_epochs": 2}}


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("best", [False, True], ids=["last", "best"])
def test_a_finished_run_is_not_trained_on(bound: str, best: bool, trainer: Make, tmp_path: Path) -> None:
    settings = {**BOUNDS[bound], "load_best_model_at_end": best, "eval_strategy": "steps" if best else "no"}
    settings |= {"eval_steps": 2, "metric_for_best_model": "loss"}
    first = trainer(**settings)
    metrics = go(first)
    weights = load_file(tmp_path / "run" / "model.safetensors")
    (tmp_path / "run" / "all_results.json").write_text(json.dumps({**metrics, "eval_loss": 1.0, "test_loss": 2.0}))
    again = trainer(**settings)
    assert go(again) == metrics
    assert again.state.global_step == first.state.global_step
    written = load_file(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(values, weights[name]) for name, values in written.items())


@pytest.mark.parametrize("stop", [2, 6, 7])
def test_a_stopped_run_ends_as_one_that_was_not(stop: int, trainer: Make, tmp_path: Path) -> None:
    go(trainer(max_steps=8, save_steps=1))
    whole = load_file(tmp_path / "run" / "model.safetensors")
    for folder in (tmp_path / "run").glob("checkpoint-*"):
        if int(folder.name.rpartition("-")[2]) > stop:
            shutil.rmtree(folder)
    go(trainer(max_steps=8, save_steps=1))
    resumed = load_file(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(values, whole[name]) for name, values in resumed.items())


def test_room_for_a_checkpoint_is_looked_for_first(trainer: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(checkpoints, "check_room", lambda folder, needed: asked.append(needed))
    made = trainer(max_steps=1)
    go(made)
    assert asked == [4 * 4 * sum(weights.numel() for weights in made.model.parameters())]


def test_one_training_at_a_time_is_at_work_in_a_folder(tmp_path: Path) -> None:
    train = sole_run(lambda arguments, training_arguments: os.listdir(tmp_path))
    arguments = SimpleNamespace(output_dir=str(tmp_path), process_index=0)
    assert train(None, arguments) == [".lock"]
    with locked(tmp_path, "train"):
        with pytest.raises(BlockingIOError, match=f"train alone in {tmp_path}"):
            train(None, arguments)
        other = SimpleNamespace(output_dir=str(tmp_path), process_index=1)
        assert train(None, other) == [".lock"]  # another process of the same training
    assert os.listdir(tmp_path) == []
