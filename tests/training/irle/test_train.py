from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from hf_mlm import Gallery, IRLEForRetrievalAndGeo
from hf_mlm.runs.checkpoints import last_complete_checkpoint
from hf_mlm.runs.open_model import open_model
from hf_mlm.runs.settings import parse_settings
from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments
from hf_mlm.training.irle.scoring import load_rows, score
from hf_mlm.training.irle.train import Run, train


def recipe(data_dir: Path, folder: Path, **changes: Any) -> Path:
    """A small run on the small files, as a YAML file."""
    settings = {
        "dataset": "irle",
        "data_dir": str(data_dir),
        "model": {"embedding_size": 16},
        "output_dir": str(folder / "run"),
        "num_train_epochs": 4,
        "per_device_train_batch_size": 16,
        "per_device_eval_batch_size": 16,
        "learning_rate": 5e-3,
        "lr_scheduler_type": "constant",
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "logging_strategy": "epoch",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**settings, **changes}))
    return path


def run(path: Path, *flags: str) -> Run:
    return train(*parse_settings([IRLEArguments, IRLETrainingArguments], ["--config", str(path), *flags], "test"))


def process(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen([sys.executable, "-m", *words], env=variables, stderr=subprocess.PIPE)


def test_run_leaves_the_best_model_with_its_figures(irle_folder: Path, tmp_path: Path) -> None:
    best = {"load_best_model_at_end": True, "metric_for_best_model": "mean_medR", "save_total_limit": 1}
    model = {"embedding_size": 16, "retrieval_loss": "info_nce"}
    finished = run(recipe(irle_folder, tmp_path, num_train_epochs=30, learning_rate=1e-2, model=model, **best))
    folder = tmp_path / "run"
    results = json.loads((folder / "all_results.json").read_text())
    assert results == pytest.approx(finished.results)
    history = [entry for entry in finished.trainer.state.log_history if "eval_mean_medR" in entry]
    assert results["eval_mean_medR"] == min(entry["eval_mean_medR"] for entry in history)
    assert results["test_mean_medR"] < 4  # of 30; chance is 15.5
    assert results["test_image_accuracy"] > 0.4  # of five cells
    assert results["test_image_to_text_medR_low"] <= results["test_image_to_text_medR"]
    assert {"test_image_median_km", "test_geo_loss", "test_retrieval_loss", "train_loss"} <= results.keys()
    assert len(list(folder.glob("checkpoint-*"))) <= 2
    model = IRLEForRetrievalAndGeo.from_pretrained(folder)
    assert model.config.num_geo_cells == 5
    assert sorted(set(model.config.cell_latitudes)) == [0, 10, 20, 30, 40]
    for name, weight in finished.trainer.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight), name


def test_features_on_the_device_train_the_same(irle_folder: Path, tmp_path: Path) -> None:
    path = recipe(irle_folder, tmp_path, num_train_epochs=2)
    here = run(path).results
    there = run(path, "--features_on_device", "--output_dir", str(tmp_path / "device")).results
    for name in ("train_loss", "eval_mean_medR", "test_image_f1", "test_geo_loss"):
        assert here[name] == there[name], name


def test_learning_rate_is_the_one_asked_for(irle_folder: Path, tmp_path: Path) -> None:
    history = run(recipe(irle_folder, tmp_path, num_train_epochs=2)).trainer.state.log_history
    assert [entry["learning_rate"] for entry in history if "learning_rate" in entry] == [5e-3, 5e-3]


def test_finished_run_is_only_scored_again(irle_folder: Path, tmp_path: Path) -> None:
    path = recipe(irle_folder, tmp_path, num_train_epochs=2)
    first = run(path)
    again = run(path)
    assert again.trainer.state.global_step == first.trainer.state.global_step
    assert again.results["test_mean_medR"] == first.results["test_mean_medR"]
    with pytest.raises(ValueError, match="run with other settings .learning_rate was 0.005, now 0.1"):
        run(path, "--learning_rate", "0.1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"margin": "wide"}}, "model: Field 'margin' with value 'wide'"),
        ({"model": {"tasks": ["geoo"]}}, "model: tasks=.'geoo'. must name"),
        ({"resume_from_checkpoint": "nowhere"}, "cannot go on from nowhere: it lacks model.safetensors"),
        ({"dataset": "irl"}, "there is no dataset 'irl'; choose one of mlm, irle, irle-gr, demo"),
        ({"dataset_options": {"sise": 3}}, "the dataset 'irle' has no setting 'sise'; did you mean 'size'"),
        ({"dataset_options": {"size": "many"}}, "size.*6000.*'many'"),
        ({"model": {"embeding_size": 4}}, "model has no setting 'embeding_size'; did you mean 'embedding_size'"),
        (
            {"features_on_device": True, "dataloader_num_workers": 1},
            "features_on_device needs dataloader_num_workers=0",
        ),
    ],
)
def test_settings_that_do_not_fit_are_named(
    irle_folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(recipe(irle_folder, tmp_path, **changes))
    assert list(tmp_path.rglob("run/*")) == []


def test_checkpoints_of_other_models_and_with_code_are_refused(irle_folder: Path, tmp_path: Path) -> None:
    path = recipe(irle_folder, tmp_path, num_train_epochs=1)
    run(path)
    (checkpoint,) = (tmp_path / "run").glob("checkpoint-*")
    other = ["--output_dir", str(tmp_path / "other"), "--resume_from_checkpoint", str(checkpoint)]
    with pytest.raises(ValueError, match=r"has shape \(48,\), and the model's has \(24,\); choose a checkpoint"):
        run(path, *other, "--model.embedding_size", "8")
    assert list(tmp_path.rglob("other/*")) == []
    torch.save({"state": Trap()}, checkpoint / "optimizer.pt")
    with pytest.raises(ValueError, match="a file of it holds more than tensors and could run code"):
        run(path, *other, "--num_train_epochs", "2")


class Trap:
    """What must never be unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("code of a pickle was run",)


RAW = {
    "image_encoder": {"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [4], "depths": [1]},
    "text_encoder": {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1},
    "image_processor": {"size": {"height": 8, "width": 8}},
    "dataset_options": {"min_entities": 1, "max_entities": 30},
    "num_train_epochs": 1,
}


def test_a_run_keeps_a_gallery_of_its_training_entities(raw_folder: Path, tmp_path: Path) -> None:
    finished = run(recipe(raw_folder, tmp_path, gallery_size=7, **RAW))
    model, _ = open_model(tmp_path / "run", "irle")
    gallery = Gallery.beside(model)
    assert gallery is not None and len(gallery) == 7
    assert {values.dtype for values in gallery.embeds.values()} == {torch.float16}
    assert np.isfinite(gallery.positions).all()
    assert gallery.entities["entity_id"][:] == finished.dataset["train"]["entity_id"][:7]
    assert {f"test_{name}_coverage@{share}" for name in ("image", "text") for share in (50, 80, 90)} < set(
        finished.results
    )


def test_a_run_without_a_gallery(raw_folder: Path, tmp_path: Path) -> None:
    run(recipe(raw_folder, tmp_path, **RAW), "--keep_gallery", "false")
    assert not (tmp_path / "run" / "gallery").exists()


def test_a_gallery_of_another_run_is_refused(raw_folder: Path, tmp_path: Path) -> None:
    for seed in ("1", "2"):
        run(recipe(raw_folder, tmp_path, **RAW), "--seed", seed, "--output_dir", str(tmp_path / seed))
    shutil.rmtree(tmp_path / "1" / "gallery")
    shutil.copytree(tmp_path / "2" / "gallery", tmp_path / "1" / "gallery")
    with pytest.raises(ValueError, match="the gallery is of another model"):
        Gallery.beside(open_model(tmp_path / "1", "irle")[0])


def test_raw_run_takes_its_processor_along(raw_folder: Path, tmp_path: Path) -> None:
    path = recipe(raw_folder, tmp_path, **RAW)
    first = run(path)
    again = run(path)
    assert again.trainer.processing_class.tokenizer.get_vocab() == first.trainer.processing_class.tokenizer.get_vocab()
    _, processor = open_model(tmp_path / "run", "irle")
    assert (
        processor(text="Lima")["input_ids"].tolist()
        == first.trainer.processing_class(text="Lima")["input_ids"].tolist()
    )
    assert again.results["test_geo_loss"] == pytest.approx(first.results["test_geo_loss"])


def assert_same_weights(folder: Path, other: Path) -> None:
    expected = load_file(other / "model.safetensors")
    for name, weight in load_file(folder / "model.safetensors").items():
        assert torch.equal(weight, expected[name]), name


@pytest.mark.parametrize("step", [12, 16], ids=["after an epoch", "amid an epoch"])
def test_interrupted_run_goes_on_to_the_same_weights(irle_folder: Path, tmp_path: Path, step: int) -> None:
    path = recipe(irle_folder, tmp_path, save_strategy="steps", save_steps=4, eval_strategy="steps", eval_steps=4)
    run(path, "--output_dir", str(tmp_path / "whole"))
    shutil.copytree(tmp_path / "whole" / f"checkpoint-{step}", tmp_path / "run" / f"checkpoint-{step}")
    assert run(path).trainer.state.global_step == 24
    assert_same_weights(tmp_path / "run", tmp_path / "whole")


@pytest.mark.heavy
def test_killed_run_goes_on_to_the_same_weights(irle_folder: Path, tmp_path: Path) -> None:
    steps = {"save_strategy": "steps", "save_steps": 4, "eval_strategy": "steps", "eval_steps": 4}
    path = recipe(irle_folder, tmp_path, num_train_epochs=20, save_total_limit=2, **steps)
    killed = process("hf_mlm.cli", "train", "irle", "--config", str(path))
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run").glob("checkpoint-*[0-9][0-9]")) and time.monotonic() < deadline:
        time.sleep(0.001)  # die as soon as a folder appears, before it is whole
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    left = last_complete_checkpoint(tmp_path / "run")
    assert left is not None
    assert 0 < int(left.rpartition("-")[2]) < 120
    resumed = run(path)
    whole = run(path, "--output_dir", str(tmp_path / "whole"))
    assert resumed.trainer.state.global_step == whole.trainer.state.global_step == 120
    assert_same_weights(tmp_path / "run", tmp_path / "whole")
    assert resumed.results["test_mean_medR"] == whole.results["test_mean_medR"]


@pytest.mark.heavy
def test_two_processes_train_and_score_as_one(irle_folder: Path, tmp_path: Path) -> None:
    model = {"embedding_size": 16, "retrieval_loss": "info_nce", "dropout": 0.0, "loss_weighting": "equal"}
    path = recipe(irle_folder, tmp_path, model=model, views="first")
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "hf_mlm.cli"]
    halves = ["--per_device_train_batch_size", "8", "--per_device_eval_batch_size", "8"]
    pair = process(*launcher, "train", "irle", "--config", str(path), *halves)
    _, errors = pair.communicate(timeout=300)
    assert pair.returncode == 0, errors.decode()[-2000:]
    two = json.loads((tmp_path / "run" / "all_results.json").read_text())
    one = run(path, "--output_dir", str(tmp_path / "one")).results
    for name in ("train_loss", "eval_loss", "eval_geo_loss", "eval_retrieval_loss"):
        assert two[name] == pytest.approx(one[name], abs=1e-3), name
    model, _ = open_model(tmp_path / "run", "irle")
    scored, _ = score(model, None, load_rows(model, "irle", "test", data_dir=str(irle_folder)), batch_size=7)
    assert len(scored) > 60
    for name, value in scored.items():
        if not name.endswith(("loss", "time", "per_second")):  # 30 rows in batches of 8: the sampler repeats some
            assert two[f"test_{name}"] == pytest.approx(value, rel=1e-6), name
    assert math.isfinite(two["test_loss"])
