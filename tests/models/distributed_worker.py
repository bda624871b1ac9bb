"""One of several processes of `ModelTests.test_two_processes_equal_one`: half a batch, gradients averaged by DDP."""

from __future__ import annotations

import gc
import importlib
import sys
from pathlib import Path

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel


def main(name: str, folder: Path) -> None:
    distributed.init_process_group("gloo")
    module, _, class_name = name.partition(":")
    model_class = getattr(importlib.import_module(module), class_name)
    for case in sorted(path for path in folder.iterdir() if path.is_dir()):
        step(model_class, case)
    gc.collect()  # a wrapper that held the group until the interpreter ends could abort it there
    distributed.barrier()
    distributed.destroy_process_group()


def step(model_class: type[PreTrainedModel], case: Path) -> None:
    """Learn from this process's part of a case's batch, and save the loss and gradients of all parts."""
    rank, world = distributed.get_rank(), distributed.get_world_size()
    batch = torch.load(case / "batch.pt", weights_only=True)
    part = {name: values.chunk(world)[rank] for name, values in batch.items()}
    model = DistributedDataParallel(model_class.from_pretrained(case).train())
    loss = model(**part)["loss"]
    loss.backward()
    mean = loss.detach().clone()
    distributed.all_reduce(mean)
    if rank == 0:
        gradients = {name: p.grad for name, p in model.module.named_parameters()}
        torch.save({"loss": mean / world, **gradients}, case.with_suffix(".pt"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
