from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
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


def test_both_trainers_are_of_that_kind() -> None:
    assert issubclass(IRLETrainer, SplitTrainer) and issubclass(TaggerTrainer, SplitTrainer)
