from __future__ import annotations

import weakref
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from transformers import Trainer, TrainingArguments

from hf_mlm.training.trainer import IRLETrainer
from hf_mlm.training.trainer_base import SplitTrainer
from hf_mlm.training.trainer_ner import TaggerTrainer


@pytest.mark.parametrize("kept", [True, False])
def test_another_split_is_read_from_its_own_rows(kept: bool, tmp_path: Path) -> None:
    settings = TrainingArguments(
        str(tmp_path), use_cpu=True, report_to="none", dataloader_num_workers=1, dataloader_persistent_workers=kept
    )
    validation, test = [torch.zeros(1)] * 3, [torch.zeros(1)] * 5

    def rows_read(trainer_class: type[Trainer]) -> list[int]:
        trainer = trainer_class(nn.Linear(1, 1), settings, eval_dataset=validation)
        loaders = [trainer.get_eval_dataloader(*given) for given in ((), (test,), (validation,), ())]
        assert (loaders[0] is loaders[-1]) == kept
        return [len(loader.dataset) for loader in loaders]

    assert rows_read(SplitTrainer) == [3, 5, 3, 3]
    assert rows_read(Trainer) == ([3, 3, 3, 3] if kept else [3, 5, 3, 3])  # what the class is there for


def test_a_last_batch_that_training_drops_is_scored(tmp_path: Path) -> None:
    settings = TrainingArguments(
        str(tmp_path), use_cpu=True, report_to="none", dataloader_drop_last=True, per_device_eval_batch_size=4
    )
    rows, others = [torch.zeros(1)] * 7, [torch.zeros(1)] * 9

    def rows_read(trainer_class: type[Trainer]) -> list[int]:
        trainer = trainer_class(nn.Linear(1, 1), settings, torch.stack, rows * 2, eval_dataset=rows)
        loaders = trainer.get_eval_dataloader(), trainer.get_eval_dataloader(others), trainer.get_test_dataloader(rows)
        return [sum(map(len, loader)) for loader in (*loaders, trainer.get_train_dataloader())]

    assert rows_read(SplitTrainer) == [7, 9, 7, 8]
    assert rows_read(Trainer) == [4, 8, 4, 8]  # what the class is there for


def test_both_trainers_are_of_that_kind() -> None:
    assert issubclass(IRLETrainer, SplitTrainer) and issubclass(TaggerTrainer, SplitTrainer)


@pytest.mark.skipif(not distributed.is_available(), reason="this torch has no torch.distributed")
def test_the_wrapper_is_freed_before_the_processes_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    trainer = SplitTrainer(nn.Linear(1, 1), TrainingArguments(str(tmp_path), use_cpu=True, report_to="none"))
    trainer.model_wrapped = DistributedDataParallel(trainer.model)
    wrapper = weakref.ref(trainer.model_wrapped)
    there: list[bool] = []
    leave = distributed.destroy_process_group

    def look_and_leave(group: distributed.ProcessGroup | None) -> None:
        there.append(wrapper() is not None)
        leave(group)

    monkeypatch.setattr(distributed, "destroy_process_group", look_and_leave)
    trainer.end()
    assert there == [False] and not distributed.is_initialized()
