"""The Trainer where ``transformers`` has no hook: batches of like length, and learning rates of parts."""

from __future__ import annotations

from typing import Any, cast

import torch
from datasets import Dataset
from torch import nn
from torch.utils.data import Sampler, SequentialSampler

from hf_mlm.data.length_sampler import LengthBucketSampler
from hf_mlm.training.arguments_ner import NERTrainingArguments
from hf_mlm.training.trainer_base import SplitTrainer


class TaggerTrainer(SplitTrainer):
    """`transformers.Trainer` for the taggers; takes `NERTrainingArguments`, and pushes as `hf-mlm push`.

    Two things are added. With ``train_sampling_strategy="group_by_length"`` training batches are those of
    `LengthBucketSampler`, and evaluation keeps the order of the rows, by which metrics know their groups. And
    ``learning_rates`` gives parts of the model their own.
    """

    args: NERTrainingArguments

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler | None:
        rows = self.train_dataset if train_dataset is None else train_dataset
        if self.args.train_sampling_strategy != "group_by_length" or not isinstance(rows, Dataset):
            return super()._get_train_sampler(train_dataset)
        together = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return LengthBucketSampler(row_lengths(rows), together, self.args.seed)

    def _get_eval_sampler(self, eval_dataset: Dataset) -> Sampler | None:
        return SequentialSampler(eval_dataset)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the optimizer as always, then give parts their own learning rates."""
        made = self.optimizer is not None
        optimizer = super().create_optimizer(model)
        rates = cast(dict[str, float], self.args.learning_rates)
        if rates and not made:
            give_learning_rates(optimizer, self.model if model is None else model, rates)
        return optimizer


def row_lengths(rows: Dataset) -> list[int]:
    """Sub-tokens of encoded rows, without reading them into Python."""
    import pyarrow.compute as pc

    table = rows.with_format("arrow").select_columns(["input_ids"])[:]
    return pc.list_value_length(table.column("input_ids")).to_pylist()


def give_learning_rates(optimizer: torch.optim.Optimizer, model: nn.Module, rates: dict[str, float]) -> None:
    """Split an optimizer's groups, so that named parts of the model learn at their own rates.

    Args:
        optimizer: over parameters of the model, not yet stepped.
        model: whose parameters are named.
        rates: learning rate of each part by the name of a module or parameter; the longest name that fits counts.

    Raises:
        ValueError: if a name fits no parameter that is trained, or a rate is not above 0.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> give_learning_rates(optimizer, model, {"1": 0.5})
        >>> [(group["lr"], len(group["params"])) for group in optimizer.param_groups]
        [(0.1, 2), (0.5, 2)]
    """
    names = {id(parameter): name for name, parameter in model.named_parameters() if parameter.requires_grad}
    parts = {key: part_of(name, rates) for key, name in names.items()}
    for part, rate in rates.items():
        if part not in parts.values():
            known = ", ".join(sorted({name.split(".")[0] for name in names.values()}))
            raise ValueError(f"learning_rates names {part!r}, which no trained parameter is in; there are {known}.")
        if rate <= 0:
            raise ValueError(f"learning_rates[{part!r}]={rate} must be above 0; freeze={part!r} stops its training.")
    for group in list(optimizer.param_groups):
        for part, rate in rates.items():
            chosen = [parameter for parameter in group["params"] if parts.get(id(parameter)) == part]
            if chosen:
                moved = {id(parameter) for parameter in chosen}
                group["params"] = [parameter for parameter in group["params"] if id(parameter) not in moved]
                rest = {key: value for key, value in group.items() if key not in ("params", "lr", "initial_lr")}
                optimizer.add_param_group({**rest, "params": chosen, "lr": rate})


def part_of(name: str, parts: Any) -> str | None:
    """The longest of the part names that a parameter's name begins with, or None.

    Example:
        >>> part_of("head.crf.transitions", ["head", "head.crf", "text_encoder"])
        'head.crf'
    """
    fitting = [part for part in parts if name == part or name.startswith(f"{part}.")]
    return max(fitting, key=len, default=None)
