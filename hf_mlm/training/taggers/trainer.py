"""Trainer of the taggers: batches of rows of like length in random order, and learning rates of parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from torch.utils.data import Sampler, SequentialSampler

from hf_mlm.training.base.trainer import SplitTrainer
from hf_mlm.training.taggers.arguments import NERTrainingArguments


class LengthBucketSampler(Sampler[int]):
    """Yields row numbers so that every ``batch_size`` of them in a row are of like length.

    The rows are shuffled, sorted by length in buckets of ``batches_per_bucket`` batches, cut into batches, and the
    batches shuffled; the one that is not full comes last. Order depends on ``seed`` and epoch alone, so that all
    processes agree on it and a resumed run finds it again.

    Args:
        lengths: (rows,), such as sub-tokens of each sentence.
        batch_size: rows that one step takes together: of all processes, and of all steps that are accumulated.
        seed: of the shuffling.
        batches_per_bucket: more of them pad less and mix less.

    Example:
        >>> sampler = LengthBucketSampler([9, 1, 8, 2], batch_size=2)
        >>> order = list(sampler)
        >>> sorted([sorted(order[:2]), sorted(order[2:])])
        [[0, 2], [1, 3]]
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int = 0, batches_per_bucket: int = 100):
        self.lengths = np.asarray(lengths)
        self.batch_size, self.seed, self.batches_per_bucket = batch_size, seed, batches_per_bucket
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; accelerate calls this."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self.seed, self.epoch))
        rows = generator.permutation(len(self.lengths))
        bucket = self.batch_size * self.batches_per_bucket
        number = np.arange(len(rows)) // bucket  # (rows,), the bucket of each
        rows = rows[np.lexsort((self.lengths[rows], number))]
        full = len(rows) // self.batch_size * self.batch_size
        batches = generator.permutation(rows[:full].reshape(-1, self.batch_size))  # shuffles the first axis
        yield from batches.ravel().tolist()
        yield from rows[full:].tolist()


def padding_waste(lengths: Sequence[int], order: Sequence[int], batch_size: int) -> float:
    """Positions of padding over positions that hold something, when each batch is padded to its longest row.

    Example:
        >>> padding_waste([4, 2, 2], [0, 1, 2], batch_size=2)
        0.25
    """
    ordered = np.asarray(lengths)[np.asarray(order)]
    starts = np.arange(0, len(ordered), batch_size)
    longest = np.maximum.reduceat(ordered, starts)
    rows = np.diff(starts, append=len(ordered))
    return float((longest * rows).sum() / ordered.sum() - 1)


BY_LENGTH = ("bucket_by_length", "group_by_length")  # the second is how older settings name it


class TaggerTrainer(SplitTrainer):
    """`transformers.Trainer` for the taggers; takes `NERTrainingArguments`, and pushes as `hf-mlm push`.

    Two things are added. With ``train_sampling_strategy="bucket_by_length"`` training batches are those of
    `LengthBucketSampler`, and evaluation keeps the order of the rows, by which metrics know their groups. And
    ``learning_rates`` gives parts of the model their own.
    """

    args: NERTrainingArguments

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler | None:
        rows = self.train_dataset if train_dataset is None else train_dataset
        if self.args.train_sampling_strategy not in BY_LENGTH or not isinstance(rows, Dataset):
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
