"""The tests that every model of the package has to pass; a model's own test class inherits them.

A subclass names the model and gives configurations without dropout and batches whose targets leave nothing to chance.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel, Trainer, TrainingArguments
from transformers.utils import ModelOutput

import hf_mlm


Batch = dict[str, torch.Tensor]
REPOSITORY = Path(hf_mlm.__file__).parents[1]


class ModelTests:
    """Inherit, set ``model_class`` and define ``config`` and ``batch``."""

    model_class: ClassVar[type[PreTrainedModel]]
    auto_class: ClassVar[Any] = AutoModel
    wrong_settings: ClassVar[list[dict[str, Any]]] = []  # each refused by the configuration
    distributed_settings: ClassVar[list[dict[str, Any]]] = [{}]  # each checked with two processes

    def config(self, **settings: Any) -> PreTrainedConfig:
        """A tiny configuration without dropout, with encoders that attend where the model has any."""
        raise NotImplementedError

    def batch(self, rows: int = 4, seed: int = 0) -> Batch:
        """Inputs and targets that leave the loss without randomness; the same for the same seed."""
        raise NotImplementedError

    def model(self, **settings: Any) -> PreTrainedModel:
        """The model with weights that depend on nothing but the configuration."""
        torch.manual_seed(0)
        return self.model_class(self.config(**settings)).eval()

    def test_a_saved_model_is_the_same_model(self, tmp_path: Path) -> None:
        model = self.model()
        model.save_pretrained(tmp_path / "first")
        loaded, report = self.model_class.from_pretrained(tmp_path / "first", output_loading_info=True)
        assert not any(report.values())
        loaded.save_pretrained(tmp_path / "second")
        assert saved_settings(tmp_path / "second") == saved_settings(tmp_path / "first")
        assert_equal(loaded.eval()(**self.batch()), model(**self.batch()))

    def test_a_trainer_finds_every_weight_of_a_checkpoint(self, tmp_path: Path) -> None:
        self.model().save_pretrained(tmp_path)  # a Trainer loads files by the names of the modules, and no others
        saved = load_file(tmp_path / "model.safetensors")
        missing, unexpected = self.model().load_state_dict(saved, strict=False)
        shared = set(self.model().all_tied_weights_keys)
        assert not unexpected and set(missing) <= shared

    def test_the_auto_classes_open_it(self, tmp_path: Path) -> None:
        model = self.model()
        model.save_pretrained(tmp_path)
        assert type(AutoConfig.from_pretrained(tmp_path)) is type(model.config)
        loaded = self.auto_class.from_pretrained(tmp_path)
        assert type(loaded) is self.model_class
        assert_equal(loaded(**self.batch()), model(**self.batch()))

    def test_tuples_hold_what_the_output_holds(self) -> None:
        model, batch = self.model(), self.batch()
        assert_equal(model(**batch, return_dict=False), model(**batch).to_tuple())

    def test_evaluation_hands_out_predictions_and_no_losses(self, tmp_path: Path) -> None:
        model, batch = self.model(), self.batch()
        trainer = Trainer(model, arguments(tmp_path, label_names=self.target_names(batch)))
        loss, predictions, _ = trainer.prediction_step(model, batch, prediction_loss_only=False)
        assert loss is not None and torch.isfinite(loss)
        assert all(value.dim() > 0 for value in flatten(predictions))

    def test_every_parameter_learns(self) -> None:
        model = self.model().train()
        model(**self.batch())["loss"].backward()
        idle = [name for name, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
        assert idle == []

    def test_attention_implementations_agree(self) -> None:
        model, batch = self.model(), self.batch()
        outputs = {}
        for implementation in ("eager", "sdpa"):
            model.set_attn_implementation(implementation)
            attending = [m for m in model.modules() if isinstance(m, PreTrainedModel) and m is not model]
            assert attending
            assert all(m.config._attn_implementation == implementation for m in attending if m._supports_sdpa)
            outputs[implementation] = model(**batch)
        assert_close(outputs["eager"], outputs["sdpa"], 1e-5)

    def test_gradient_checkpointing_changes_nothing(self) -> None:
        losses, gradients = zip(*(self.gradients(checkpointing=on) for on in (False, True)), strict=True)
        assert losses[0] == losses[1]
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-5, atol=1e-7, msg=name)

    def test_bfloat16_stays_near_float32(self) -> None:
        model, batch = self.model(), self.batch()
        exact = model(**batch)["loss"]
        with torch.autocast("cpu", torch.bfloat16):
            mixed = model(**batch)["loss"]
        half = model.to(torch.bfloat16)(**batch)["loss"]
        torch.testing.assert_close(mixed.float(), exact, rtol=0.05, atol=0.05)
        torch.testing.assert_close(half.float(), exact, rtol=0.05, atol=0.05)

    def test_configurations_are_strict(self) -> None:
        assert self.wrong_settings
        for settings in self.wrong_settings:
            with pytest.raises(StrictDataclassError):
                self.config(**settings)

    def test_gradient_accumulation_changes_nothing(self, tmp_path: Path) -> None:
        rows = [dict(zip(self.batch(8), row, strict=True)) for row in zip(*self.batch(8).values(), strict=True)]
        runs = []
        for steps in (1, 2):
            model = self.model()
            settings = {"per_device_train_batch_size": 4 // steps, "gradient_accumulation_steps": steps}
            run = Trainer(model, arguments(tmp_path, max_steps=2, learning_rate=0.1, **settings), train_dataset=rows)
            runs.append((run.train().training_loss, model.state_dict()))
        assert runs[0][0] == pytest.approx(runs[1][0], rel=1e-5)
        assert_close(runs[0][1], runs[1][1], 1e-5)

    @pytest.mark.heavy
    def test_two_processes_equal_one(self, tmp_path: Path) -> None:
        for number, settings in enumerate(self.distributed_settings):
            self.model(**settings).save_pretrained(tmp_path / str(number))
            torch.save(self.distributed_batch(settings), tmp_path / str(number) / "batch.pt")
        worker = Path(__file__).with_name("distributed_worker.py")
        name = f"{self.model_class.__module__}:{self.model_class.__name__}"
        run_python(["-m", "torch.distributed.run", "--nproc_per_node", "2", str(worker), name, str(tmp_path)])
        for number, settings in enumerate(self.distributed_settings):
            both = torch.load(tmp_path / f"{number}.pt", weights_only=True)
            model = self.model(**settings).train()
            loss = model(**self.distributed_batch(settings))["loss"]
            loss.backward()
            torch.testing.assert_close(both.pop("loss"), loss.detach(), rtol=1e-5, atol=1e-6)
            assert_close(both, {name: p.grad for name, p in model.named_parameters()}, 1e-5)

    def distributed_batch(self, settings: dict[str, Any]) -> Batch:
        """The batch that two processes share, half each, and that one process has whole."""
        return self.batch(8)

    def target_names(self, batch: Batch) -> list[str]:
        """The arguments that an evaluation hands on as targets."""
        return [name for name in batch if "label" in name]

    def gradients(self, checkpointing: bool) -> tuple[float, Batch]:
        """Loss and gradients of one training step."""
        model = self.model().train()
        if checkpointing:
            model.activation_checkpointing_enable()
            assert model.is_activation_checkpointing
        loss = model(**self.batch())["loss"]
        loss.backward()
        return loss.item(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def arguments(folder: Path, **settings: Any) -> TrainingArguments:
    """Training arguments for a test: on the CPU, plain gradient descent in the order of the rows, no side effects."""
    quiet = {"report_to": "none", "save_strategy": "no", "disable_tqdm": True, "use_cpu": True, "optim": "sgd"}
    return TrainingArguments(
        str(folder), remove_unused_columns=False, max_grad_norm=0.0, lr_scheduler_type="constant", **quiet, **settings
    )


def saved_settings(folder: Path) -> dict[str, Any]:
    """A saved configuration but for the dtypes, which loading writes into the encoders' configurations."""
    without_dtype = {"object_hook": lambda values: {name: v for name, v in values.items() if name != "dtype"}}
    return json.loads((folder / "config.json").read_text(), **without_dtype)


def run_python(arguments: list[str], timeout: float = 300.0) -> str:
    """Run a fresh interpreter at the repository's root and give back what it prints; its errors fail the test."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=timeout
    )
    assert process.returncode == 0, process.stderr[-4000:]
    return process.stdout


def flatten(value: Any) -> list[torch.Tensor]:
    """The tensors of an output, a tuple or a mapping, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    values = value.to_tuple() if isinstance(value, ModelOutput) else value
    values = values.values() if isinstance(values, Mapping) else values
    return [tensor for part in values if part is not None for tensor in flatten(part)]


def assert_equal(ours: Any, theirs: Any) -> None:
    """Same tensors bit for bit."""
    assert_close(ours, theirs, 0.0)


def assert_close(ours: Any, theirs: Any, tolerance: float) -> None:
    """Same tensors within ``tolerance``, relative and absolute."""
    if isinstance(theirs, Mapping) and not isinstance(theirs, ModelOutput):
        assert list(ours) == list(theirs)
    left, right = flatten(ours), flatten(theirs)
    assert len(left) == len(right) > 0
    for one, other in zip(left, right, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
