from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification, AutoProcessor, pipeline

from tests.training.ner import ENCODER, recipe, run, write_corpus


VISION = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
TWO_MNER = {
    "model_type": "two_mner",
    "vit": {"model_type": "vit", "image_size": 8, "patch_size": 4, **VISION},
    "resnet": {"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [4, 6], "depths": [1, 1]},
    "model": {"collaboration_heads": 2},
}


def test_labels_of_other_files_reach_the_model(tmp_path: Path) -> None:
    text = "".join(f"the\tO\n{name}\tB-SHIP\nsailed\tO\n{year}\tB-DATE\n\n" for name in "AB" for year in range(4))
    (tmp_path / "ships.conll").write_text(text)
    files = {split: str(tmp_path / "ships.conll") for split in ("train", "validation", "test")}
    options = {"labels": ["SHIP", "DATE"]}
    flags = ["--data_files", json.dumps(files), "--dataset_options", json.dumps(options)]
    finished = run(recipe(tmp_path, tmp_path, num_train_epochs=12), *flags)
    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "run")
    assert list(model.config.id2label.values()) == ["O", "B-SHIP", "I-SHIP", "B-DATE", "I-DATE"]
    assert finished.results["test_SHIP_f1"] == finished.results["test_DATE_f1"] == 1


def test_run_leaves_the_best_model_with_its_figures(tmp_path: Path) -> None:
    finished = run(recipe(write_corpus(tmp_path / "data"), tmp_path, num_train_epochs=8))
    folder = tmp_path / "run"
    results = json.loads((folder / "all_results.json").read_text())
    assert results == pytest.approx(finished.results)
    history = [entry["eval_f1"] for entry in finished.trainer.state.log_history if "eval_f1" in entry]
    assert results["eval_f1"] == max(history)
    assert results["test_f1"] > 0.9
    assert {"test_PER_f1", "test_twitter_f1", "test_cc12m_recall", "test_strict_f1", "test_en_f1"} <= results.keys()
    model = AutoModelForTokenClassification.from_pretrained(folder)
    for name, weight in finished.trainer.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight), name
    for prefix, split in (("eval", "validation"), ("test", "test")):
        counts = json.loads((folder / f"counts_{prefix}.json").read_text())
        hits, predicted, gold = (sum(row[place] for row in counts["counts"]) for place in range(3))
        assert results[f"{prefix}_f1"] == pytest.approx(2 * hits / (predicted + gold))
        assert sorted(counts["ids"]) == sorted(finished.dataset[split]["id"][:])
    (found,) = pipeline("multimodal-ner", model=str(folder))(["we saw Ada there"])
    assert [(entity["entity_group"], entity["word"]) for entity in found] == [("PER", "Ada")]


def test_images_reach_the_model_and_the_processor_is_kept(tmp_path: Path) -> None:
    finished = run(recipe(write_corpus(tmp_path / "data", images=True), tmp_path, num_train_epochs=1, **TWO_MNER))
    (batch,) = [next(iter(finished.trainer.get_train_dataloader()))]
    assert batch["pixel_values"].shape == (8, 3, 8, 8)
    assert AutoProcessor.from_pretrained(tmp_path / "run").image_processor.size == {"height": 8, "width": 8}
    assert finished.trainer.model.config.image_branches == ["vit", "resnet"]
    twin = run(
        recipe(tmp_path / "data", tmp_path, num_train_epochs=1, **TWO_MNER),
        *("--images", "none", "--output_dir", str(tmp_path / "twin")),
    )
    assert "pixel_values" not in next(iter(twin.trainer.get_train_dataloader()))


def test_best_weights_come_back_whole(tmp_path: Path) -> None:
    changes: dict[str, Any] = {**TWO_MNER, "learning_rate": 0.5, "num_train_epochs": 2}  # so that training spoils it
    finished = run(recipe(write_corpus(tmp_path / "data", images=True), tmp_path, **changes))
    best = load_file(Path(finished.trainer.state.best_model_checkpoint) / "model.safetensors")
    assert all(torch.equal(finished.trainer.model.state_dict()[name], weight) for name, weight in best.items())
    assert best.keys() == finished.trainer.model.state_dict().keys()


@pytest.mark.parametrize("step", [8, 12], ids=["after an epoch", "amid an epoch"])
def test_interrupted_run_goes_on_to_the_same_weights(tmp_path: Path, step: int) -> None:
    steps = {"save_strategy": "steps", "save_steps": 4, "eval_strategy": "steps", "eval_steps": 4}
    path = recipe(write_corpus(tmp_path / "data"), tmp_path, learning_rates={"head.crf": 0.1}, **steps)
    run(path, "--output_dir", str(tmp_path / "whole"))
    shutil.copytree(tmp_path / "whole" / f"checkpoint-{step}", tmp_path / "run" / f"checkpoint-{step}")
    assert run(path).trainer.state.global_step == 24
    expected = load_file(tmp_path / "whole" / "model.safetensors")
    for name, weight in load_file(tmp_path / "run" / "model.safetensors").items():
        assert torch.equal(weight, expected[name]), name


def test_frozen_parts_stay_and_the_others_learn(tmp_path: Path) -> None:
    path = recipe(write_corpus(tmp_path / "data"), tmp_path, num_train_epochs=1, freeze=["text_encoder.embeddings"])
    torch.manual_seed(0)
    finished = run(path)
    trained = {name: value.requires_grad for name, value in finished.trainer.model.named_parameters()}
    assert {name for name, learns in trained.items() if not learns} == {
        name for name in trained if name.startswith("text_encoder.embeddings.")
    }


def test_how_text_becomes_words_is_learnt_at_the_start_and_can_be_set(tmp_path: Path) -> None:
    path = recipe(write_corpus(tmp_path / "data"), tmp_path, num_train_epochs=1)
    run(path)
    saved = json.loads((tmp_path / "run" / "processor_config.json").read_text())
    assert saved["word_splitter"] == "unicode" and saved["word_shares"] == {"spaced": 1.0, "natural": 1.0}
    run(path, "--word_splitter", "whitespace", "--output_dir", str(tmp_path / "other"))
    assert json.loads((tmp_path / "other" / "processor_config.json").read_text())["word_splitter"] == "whitespace"


def test_a_tagger_is_the_encoder_of_another(tmp_path: Path) -> None:
    data = write_corpus(tmp_path / "data")
    run(recipe(data, tmp_path, num_train_epochs=1, output_dir=str(tmp_path / "first")))
    first, folder = tmp_path / "first", tmp_path / "second"
    names = {"model_type": "crf_tagger", "text_encoder": str(first), "learning_rate": 0.0, "num_train_epochs": 1}
    second = run(recipe(data, tmp_path, **names, output_dir=str(folder))).trainer.model
    expected = AutoModelForTokenClassification.from_pretrained(first).text_encoder.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in second.text_encoder.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text_encoder": None}, "crf_tagger needs a text_encoder: name the folder"),
        ({"text_encoder": {"hidden_size": 8}}, "needs a model_type"),
        ({"model": {"dropot": 0.1}}, "model has no setting 'dropot'; did you mean 'dropout'"),
        ({"model": {"dropout": 2}}, "model: dropout=2 must lie in"),
        ({"freeze": ["encoder"]}, "freeze names 'encoder', which the model has not; its parts are text_encoder, head"),
        ({"learning_rates": {"crf": 0.1}}, "learning_rates names 'crf'"),
        ({"learning_rates": 0.1}, "learning_rates='0.1' must be a mapping"),
        ({"fold": 5}, "fold=5 must lie in"),
        ({"model_type": "bert_crf"}, "there is no tagger 'bert_crf'; choose one of .*crf_tagger"),
    ],
)
def test_settings_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = recipe(write_corpus(tmp_path / "data"), tmp_path, num_train_epochs=1)
    with pytest.raises(ValueError, match=message):
        run(recipe(tmp_path / "data", tmp_path, num_train_epochs=1, **changes) if changes else path)


@pytest.mark.heavy
def test_two_processes_train_and_score_as_one(tmp_path: Path) -> None:
    encoder = {**ENCODER, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    changes = {"text_encoder": encoder, "model": {"dropout": 0.0}, "optim": "sgd", "max_grad_norm": 0}
    path = recipe(write_corpus(tmp_path / "data"), tmp_path, **changes)
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "hf_mlm.cli"]
    halves = ["--per_device_train_batch_size", "4", "--per_device_eval_batch_size", "4"]
    pair = subprocess.run(
        [sys.executable, "-m", *launcher, "train", "crf-tagger", "--config", str(path), *halves],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert pair.returncode == 0, pair.stderr.decode()[-2000:]
    two = json.loads((tmp_path / "run" / "all_results.json").read_text())
    one = run(path, "--output_dir", str(tmp_path / "one")).results
    assert two["train_loss"] == pytest.approx(one["train_loss"], rel=1e-2)
    counted = [name for name in one if name.endswith(("f1", "precision", "recall", "entities"))]
    assert len(counted) > 30
    for name in counted:
        assert two[name] == pytest.approx(one[name], abs=1e-9), name
