from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_mlm.cli import main
from hf_mlm.runs.open_model import open_model
from hf_mlm.training.taggers.data import load_sentences
from hf_mlm.training.taggers.scoring import load_evaluation, score_tagger, settings_of
from tests.training.ner import SIZES, recipe, run, write_corpus


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


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a tagger that was trained from data_files, and the files beside it."""
    folder = tmp_path_factory.mktemp("trained")
    data = write_corpus(folder / "data")
    names = {"train": "train", "validation": "valid", "test": "test"}
    files = {split: str(data / f"{name}_conll_format.txt") for split, name in names.items()}
    run(recipe(data, folder, num_train_epochs=1, data_files=files))
    return folder


LABELS = ["O", *(f"{letter}-{kind}" for kind in ("PER", "LOC", "ORG", "MISC") for letter in "BI")]
OTHER = "Ada\tS-PER\nsaw\tO\nCork\tB-LOC\nMajor\tE-LOC\n\nwe\tO\n"


def test_exactly_the_files_that_are_given_are_scored(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.conll").write_text(OTHER)
    for files, dataset in ((str(tmp_path / "other.conll"), None), (f'{{"x": "{tmp_path}/other.conll"}}', "hi")):
        asked = {"data_files": files, "dataset": dataset}
        rows, told = load_evaluation(trained / "run", LABELS, **asked)
        assert rows["tokens"][:] == [["Ada", "saw", "Cork", "Major"], ["we"]]
        assert rows["language"][0] == told["dataset"] == (dataset or "und")
    words = ["--data_files", str(tmp_path / "other.conll"), "--output", str(tmp_path / "a.json")]
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", str(trained / "run"), *words, "--predictions", str(tmp_path / "p.jsonl")])
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["entities"] == 2 and found["data_files"] == {"test": str(tmp_path / "other.conll")}
    assert sum(found["errors"]["kinds"].values()) - found["errors"]["kinds"]["invented"] == 2
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [line["tags"] for line in lines] == [["B-PER", "O", "B-LOC", "I-LOC"], ["O"]]
    assert all(len(line["predictions"]) == len(line["tokens"]) for line in lines)
    shown = capsys.readouterr().out
    assert "by kind of error" in shown and "SemEval 2013" in shown
    assert all(error["context"] in shown for line in lines for error in line["errors"])


def test_what_cannot_be_scored_is_told(trained: Path, tmp_path: Path) -> None:
    assert len(load_evaluation(trained / "run", LABELS)[0]) == SIZES["test"]
    with pytest.raises(ValueError, match="files of 'de', as the training's data_files hold 'en'; pass --data_files"):
        load_evaluation(trained / "run", LABELS, dataset="de")
    with pytest.raises(FileNotFoundError, match="'nowhere' is not a folder"):
        load_evaluation(trained / "run", LABELS, dataset="de", data_dir="nowhere")
    (tmp_path / "a.conll").write_text("Asgard\tB-SHIP\n")
    with pytest.raises(ValueError, match="a.conll:1: 'SHIP' is no entity type among PER, LOC, ORG, MISC"):
        load_evaluation(trained / "run", LABELS, data_files=str(tmp_path / "a.conll"))
    options = {"type_map": {"SHIP": "MISC"}}
    rows, _ = load_evaluation(trained / "run", LABELS, data_files=str(tmp_path / "a.conll"), dataset_options=options)
    assert rows["ner_tags"][0] == [LABELS.index("B-MISC")]
    with pytest.raises(ValueError, match="no split 'tset'; choose one of"):
        load_evaluation(trained / "run", LABELS, "tset")
