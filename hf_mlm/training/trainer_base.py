"""What both Trainers of the package do otherwise than ``transformers``, whatever the model."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader

from hf_mlm.training.pushing import PublishingTrainer


class SplitTrainer(PublishingTrainer):
    """`transformers.Trainer` that scores the very split it is given, and pushes as `hf-mlm push`.

    With ``dataloader_persistent_workers`` the Trainer keeps its first evaluation loader for whatever it evaluates
    later, and would score a test split on the rows of validation.
    """

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """Load evaluation batches; the loader that is kept serves ``self.eval_dataset`` alone.

        Args:
            eval_dataset: rows, or the name of some in ``self.eval_dataset``; ``self.eval_dataset`` when omitted.
        """
        if eval_dataset is None or isinstance(eval_dataset, str) or eval_dataset is self.eval_dataset:
            return super().get_eval_dataloader(eval_dataset)
        return super().get_test_dataloader(eval_dataset)

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
