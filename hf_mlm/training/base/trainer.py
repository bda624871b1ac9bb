"""Base of the package's Trainers: evaluation of whole splits, and pushing with a card."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import HfApi
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import PrinterCallback, ProgressCallback, Trainer
from transformers.trainer_utils import HubStrategy
from transformers.utils import PushInProgress


class PublishingTrainer(Trainer):
    """`transformers.Trainer` that pushes as `hf_mlm.publishing.models.push_model`, whenever it pushes.

    Where the Trainer uploads its output folder, with ``training_args.bin`` and whatever else lies there, this one
    uploads weights, processor, metrics, settings without paths, and a card written from them. The licence is
    ``"unknown"`` where the data states none and none is given.
    """

    hub_model_id: str | None
    push_in_progress: PushInProgress | None

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Make the repository as ever; errors have the messages of `hub_error_messages`.

        Raises:
            ValueError: if ``hub_strategy`` asks for checkpoints to be pushed.
        """
        from hf_mlm.publishing.hub import hub_error_messages

        strategy = HubStrategy(self.args.hub_strategy)
        if strategy in (HubStrategy.CHECKPOINT, HubStrategy.ALL_CHECKPOINTS):
            raise ValueError(
                f"hub_strategy={strategy.value!r} would upload pickles of optimizer and arguments, which are not for "
                "others: choose 'every_save' or 'end'."
            )
        with hub_error_messages(self.args.hub_model_id or Path(self.args.output_dir).absolute().name):
            super().init_hf_repo(token, private)

    def push_to_hub(
        self,
        commit_message: str | None = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        license: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Save the model and upload it with its card.

        Args:
            commit_message: of the upload.
            blocking: whether to wait for its end.
            token: instead of ``hub_token`` or that of the login.
            revision: branch to push to; ``hub_revision`` when omitted.
            private: whether the repository is made a private one.
            license: of the weights, by the Hub's name for it.
            **kwargs: none; the Trainer's further settings of a card are refused.

        Returns:
            The commit, or a future of it if not ``blocking``; None on other processes than the first.

        Raises:
            ValueError: if there are ``kwargs``, a name or licence does not do, or something private would be uploaded.
            PermissionError: if there is no token, or its user may not write there.
            ConnectionError: if the connection breaks.
        """
        if kwargs:
            raise ValueError(
                f"the card is written from the run, without {', '.join(kwargs)}: edit README.md on the Hub."
            )
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        if self.hub_model_id is None:
            self.init_hf_repo(token, private)
        self.save_model(_internal_call=True)
        if not self.is_world_process_zero():
            return None
        self._finish_current_push()
        upload = self._upload(self.args.output_dir, commit_message, token, revision, license)
        return self._result(upload) if blocking else upload

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Upload the model of a checkpoint while training goes on, unless the last upload still runs."""
        if not self.is_world_process_zero() or self.args.hub_strategy == HubStrategy.END:
            return
        if self.push_in_progress is not None and not self.push_in_progress.is_done():
            if not self.args.hub_always_push:
                return
            self._finish_current_push()
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        message = f"Training in progress, step {self.state.global_step}"
        self.push_in_progress = PushInProgress([self._upload(checkpoint_folder, message)])

    def _upload(
        self,
        folder: str,
        message: str | None,
        token: str | None = None,
        revision: str | None = None,
        licence: str | None = None,
    ) -> Any:
        """Start to upload a saved model, from a copy that goes when the upload has ended."""
        from hf_mlm.publishing.cards import LIBRARY
        from hf_mlm.publishing.models import licence_of_plain_push, stage_model

        with ExitStack() as stack:
            scratch = stack.enter_context(TemporaryDirectory(prefix="hf_mlm_push_"))
            licence = licence or licence_of_plain_push(folder)
            stage_model(folder, Path(scratch), str(self.hub_model_id), licence, gallery=False)
            upload = HfApi(library_name=LIBRARY, token=token or self.args.hub_token).upload_folder(
                repo_id=str(self.hub_model_id),
                folder_path=scratch,
                commit_message=message,
                revision=revision or self.args.hub_revision,
                run_as_future=True,
            )
            copy = stack.pop_all()
            upload.add_done_callback(lambda _: copy.close())
        return upload

    def _result(self, upload: Any) -> Any:
        """Wait for an upload."""
        from hf_mlm.publishing.hub import hub_error_messages

        with hub_error_messages(str(self.hub_model_id)):
            return upload.result()


class SplitTrainer(PublishingTrainer):
    """`transformers.Trainer` that scores the whole of the split it is given, and pushes as `hf-mlm push`.

    With ``dataloader_persistent_workers`` the Trainer keeps its first evaluation loader for whatever it evaluates
    later, and would score a test split on the rows of validation. With ``dataloader_drop_last`` it would leave the
    last rows of every split out of its metrics; here that is about training alone.
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


EPOCH_METRICS = (  # name, what the terminal calls it, how it is written
    ("loss", "loss", "{:.3f}"),
    ("eval_mean_medR", "medR", "{:.1f}"),
    ("eval_image_accuracy", "cells", "{:.0%} image"),
    ("eval_text_accuracy", "", "{:.0%} text"),
    ("eval_image_median_km", "median", "{:,.0f} km image"),
    ("eval_text_median_km", "", "{:,.0f} km text"),
    ("eval_f1", "F1", "{:.1%}"),
)


class EpochLines(ProgressCallback):
    """One readable line an epoch, and the bar of the training where there is a terminal, instead of dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[str, float] = {}
        self.began = 0.0

    @classmethod
    def show(cls, trainer: Trainer) -> None:
        """Let a Trainer show lines instead of what it shows by itself."""
        trainer.args.disable_tqdm = trainer.args.disable_tqdm or not sys.stderr.isatty()
        for other in (ProgressCallback, PrinterCallback):
            trainer.remove_callback(other)
        trainer.add_callback(cls())

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock, and the bar."""
        self.began = time.monotonic()
        if not args.disable_tqdm:
            super().on_train_begin(args, state, control, **kwargs)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar."""
        if self.training_bar is not None:
            super().on_step_end(args, state, control, **kwargs)

    def on_prediction_step(self, *args: Any, **kwargs: Any) -> None:
        """Show no bar of an evaluation, which takes seconds."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Keep the losses for the line."""
        self.logs |= logs or {}

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Write the line of an epoch, while training."""
        if not self.began or not state.is_world_process_zero:
            return
        found = {**self.logs, **(metrics or {})}
        parts = [f"{label} {form}".strip().format(found[name]) for name, label, form in EPOCH_METRICS if name in found]
        seconds = time.monotonic() - self.began
        line = f"epoch {state.epoch:g}/{args.num_train_epochs:g}: {', '.join(parts)}; {seconds:,.0f} s\n"
        tqdm.write(line, end="")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the bar; evaluations after the training are told by others."""
        self.began = 0.0
        if self.training_bar is not None:
            super().on_train_end(args, state, control, **kwargs)
