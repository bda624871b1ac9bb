"""Trainer of IR+LE: losses of the tasks apart, and evaluation on views that can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader

from hf_mlm.training.base.trainer import SplitTrainer


TASK_LOSSES = ("retrieval_loss", "geo_loss")


class IRLETrainer(SplitTrainer):
    """`transformers.Trainer` for `IRLEForRetrievalAndGeo`; takes the same arguments, and pushes as `hf-mlm push`.

    Two things are added. Logs and results show ``retrieval_loss`` and ``geo_loss`` beside ``loss``, unweighted, as
    means over the rows of all processes since the last log, or of the evaluated split (of whose rows several processes
    see a few twice, to fill their last batch). And evaluation and prediction use ``data_collator.evaluation()``, so
    that every epoch sees the same images and summaries.
    """

    data_collator: Any

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._training_losses = LossMeans()
        self._evaluation_losses = LossMeans()

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **kwargs: Any) -> Any:
        """Compute the loss as always, and note those of the tasks."""
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **kwargs)
        means = self._training_losses if model.training else self._evaluation_losses
        means.add({name: outputs[name] for name in TASK_LOSSES if name in outputs}, len(inputs["image_cells"]))
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log as always, with the losses of the tasks beside the training loss."""
        if "loss" in logs:
            logs.update(self._training_losses.drain(self.accelerator))
        super().log(logs, *args, **kwargs)

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Any:
        """Evaluate as always, with the losses of the tasks among the metrics."""
        self._evaluation_losses = LossMeans()
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        means = self._evaluation_losses.drain(self.accelerator)
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in means.items()})
        return output

    def get_eval_dataloader(self, *args: Any, **kwargs: Any) -> DataLoader:
        """Load evaluation batches with the evaluation collator."""
        with self._evaluation_collator():
            return super().get_eval_dataloader(*args, **kwargs)

    def get_test_dataloader(self, *args: Any, **kwargs: Any) -> DataLoader:
        """Load test batches with the evaluation collator."""
        with self._evaluation_collator():
            return super().get_test_dataloader(*args, **kwargs)

    @contextmanager
    def _evaluation_collator(self) -> Iterator[None]:
        training = self.data_collator
        self.data_collator = training.evaluation()
        try:
            yield
        finally:
            self.data_collator = training


class LossMeans:
    """Means of losses over rows, summed where they are computed, so that no step waits for the device."""

    def __init__(self) -> None:
        self.sums: dict[str, torch.Tensor] = {}
        self.rows = 0

    def add(self, losses: dict[str, torch.Tensor], rows: int) -> None:
        """Add the mean losses of a batch of so many rows."""
        for name, loss in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + loss.detach().float() * rows
        self.rows += rows

    def drain(self, accelerator: Any) -> dict[str, float]:
        """Return the means over the rows of all processes, and start anew."""
        if not self.sums:
            return {}
        names = sorted(self.sums)
        device = self.sums[names[0]].device
        totals = torch.stack([*(self.sums[name] for name in names), torch.tensor(float(self.rows), device=device)])
        *sums, rows = accelerator.reduce(totals, reduction="sum").tolist()
        self.sums, self.rows = {}, 0
        return {name: total / rows for name, total in zip(names, sums, strict=True)}
