"""What both Trainers of the package do otherwise than ``transformers``, whatever the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils.data import DataLoader

from hf_mlm.training.pushing import PublishingTrainer


class SplitTrainer(PublishingTrainer):
    """`transformers.Trainer` that scores the very split it is given, all of it, and pushes as `hf-mlm push`.

    With ``dataloader_persistent_workers`` the Trainer keeps its first evaluation loader for whatever it evaluates
    later, and would score a test split on the rows of validation. With ``dataloader_drop_last`` it would leave the
    last rows of every split out of its figures; here that is about training alone.
    """

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """Load evaluation batches; the loader that is kept serves ``self.eval_dataset`` alone.

        Args:
            eval_dataset: rows, or the name of some in ``self.eval_dataset``; ``self.eval_dataset`` when omitted.
        """
        if eval_dataset is None or isinstance(eval_dataset, str) or eval_dataset is self.eval_dataset:
            with self._whole():
                return super().get_eval_dataloader(eval_dataset)
        return self.get_test_dataloader(eval_dataset)

    def get_test_dataloader(self, test_dataset: Any) -> DataLoader:
        """Load test batches.

        Args:
            test_dataset: rows.
        """
        with self._whole():
            return super().get_test_dataloader(test_dataset)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Make loaders that give the last batch too, full or not."""
        drops, self.args.dataloader_drop_last = self.args.dataloader_drop_last, False
        try:
            yield
        finally:
            self.args.dataloader_drop_last = drops

    def free_models(self) -> None:
        """Free the optimizer and the model's distributed wrapper; the processes stay together for the next run."""
        self.model_wrapped = self.model
        self.accelerator.free_memory()

    def end(self) -> None:
        """Leave the other processes, once nothing more is to be done together.

        The model's distributed wrapper is freed first: were it the last to hold on to the process group, freeing it
        later could wait for ever on the group's threads, or abort the process.
        """
        self.free_models()
        super().end()
