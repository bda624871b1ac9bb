from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_mlm.cli import main
from hf_mlm.runs.open_model import open_model
from hf_mlm.training.taggers.data import load_sentences
from hf_mlm.training.taggers.scoring import score_tagger, settings_of
from tests.training.ner import recipe, run, write_corpus


def test_saved_tagger_scores_as_in_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = run(recipe(write_corpus(tmp_path / "data"), tmp_path, num_train_epochs=2)).results
    folder = tmp_path / "run"
    model, processor = open_model(folder, "taggers")
    figures, found = score_tagger(model, processor, load_sentences(settings_of(folder))["test"], batch_size=5)
    counted = [name for name in figures if name.endswith(("f1", "recall"))]
    assert len(counted) > 15
    for name in counted:
        assert figures[name] == results[f"test_{name}"], name
    saved = json.loads((folder / "counts_test.json").read_text())
    assert dict(zip(found["ids"].tolist(), found["counts"].tolist(), strict=True)) == dict(
        zip(saved["ids"], saved["counts"], strict=True)
    )
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", str(folder), "--split", "validation"])
    shown = capsys.readouterr().out
    written = json.loads((folder / "evaluation_en_validation.json").read_text())
    assert written["f1"] == results["eval_f1"]
    assert f"{100 * results['eval_f1']:.2f}" in shown and "PER" in shown and "strict" in shown


def test_other_labels_and_other_models_are_refused(tmp_path: Path) -> None:
    run(recipe(write_corpus(tmp_path / "data"), tmp_path, num_train_epochs=1))
    model, processor = open_model(tmp_path / "run", "taggers")
    rows = load_sentences(settings_of(tmp_path / "run"))["test"]
    feature = rows.features["ner_tags"]
    model.config.id2label = {**model.config.id2label, 1: "B-GPE"}
    with pytest.raises(ValueError, match="the model knows the labels .*B-GPE.* and the dataset has"):
        score_tagger(model, processor, rows.cast_column("ner_tags", feature))
    (tmp_path / "run" / "model.safetensors").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="the weights in .*run are damaged"):
        open_model(tmp_path / "run", "taggers")
