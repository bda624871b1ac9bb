"""One of several processes of `ModelTests.test_two_processes_equal_one`: half a batch, gradients averaged by DDP."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel


def main(name: str, folder: Path) -> None:
    distributed.init_process_group("gloo")
    rank, world = distributed.get_rank(), distributed.get_world_size()
    module, _, class_name = name.partition(":")
    model_class = getattr(importlib.import_module(module), class_name)
    for case in sorted(path for path in folder.iterdir() if path.is_dir()):
        batch = torch.load(case / "batch.pt", weights_only=True)
        part = {name: values.chunk(world)[rank] for name, values in batch.items()}
        model = DistributedDataParallel(model_class.from_pretrained(case).train())
        loss = model(**part)["loss"]
        loss.backward()
        mean = loss.detach().clone()
        distributed.all_reduce(mean)
        if rank == 0:
            gradients = {name: p.grad for name, p in model.module.named_parameters()}
            torch.save({"loss": mean / world, **gradients}, folder / f"{case.name}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
