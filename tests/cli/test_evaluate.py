from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_mlm.cli import main
from hf_mlm.cli.evaluate import chosen_dataset, geo_table, retrieval_table


def evaluate(*words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", *words])
    assert stopped.value.code == 0


def test_split_of_the_training_is_scored(raw_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(str(raw_model), "--split", "train", "--pool_size", "10")
    shown = capsys.readouterr().out
    assert all(words in shown for words in ("among 10 candidates", "image → text", "chance", "median km"))
    figures = json.loads((raw_model / "evaluation_irle_train.json").read_text())
    assert figures["options"]["min_entities"] == 1
    assert figures["pool_size"] == 10
    assert 0 <= figures["image_accuracy"] <= 1


def test_dataset_and_output_can_be_named(raw_model: Path, raw_folder: Path, tmp_path: Path) -> None:
    words = ["--dataset", "irle", "--data_dir", str(raw_folder), "--option", "min_entities=1"]
    evaluate(str(raw_model), *words, "--split", "train", "--output", str(tmp_path / "figures.json"))
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["image_cells_scored"] == figures["gallery_size"]  # placed in the model's cells
    assert list(raw_model.glob("evaluation*")) == []


def test_options_add_to_those_of_the_training(raw_model: Path) -> None:
    dataset, options = chosen_dataset(raw_model, None, None, ["max_entities=40"])
    assert (dataset, options["max_entities"], options["min_entities"]) == ("irle", 40, 1)
    assert chosen_dataset(raw_model, "demo", None, ["size=20"]) == ("demo", {"size": 20})
    with pytest.raises(ValueError, match="--option name=value, .* found 'size'"):
        chosen_dataset(raw_model, "demo", None, ["size"])


@pytest.mark.parametrize(
    ("settings", "is_tagger"),
    [
        ('{"model_type":"irle"}', False),
        ('{"model_type": "umt", "note": "no \\"model_type\\": \\"irle\\""}', True),
        ('{"text_encoder_config": {"model_type": "bert"},\n "model_type" : "two_mner"}', True),
    ],
)
def test_the_kind_of_model_tells_what_is_scored(
    settings: str, is_tagger: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(settings)
    called: list[str] = []
    for name in ("_evaluate_tagger", "_evaluate_irle"):
        monkeypatch.setattr(f"hf_mlm.cli.evaluate.{name}", lambda *_, name=name: called.append(name))
    evaluate(str(tmp_path))
    assert called == ["_evaluate_tagger" if is_tagger else "_evaluate_irle"]


def test_tables_have_no_row_for_an_absent_task() -> None:
    assert retrieval_table({}).row_count == geo_table({}).row_count == 0
    only_cells = {f"{modality}_{name}": 0.5 for modality in ("image", "text") for name in ("accuracy", "f1")}
    assert geo_table(only_cells).row_count == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{folder}/nowhere", "hf-mlm evaluate: there is no folder"),
        ("{model} --split tset", "hf-mlm evaluate: the dataset 'irle' has no split 'tset'"),
        ("{model} --dataset demo --option size", "found 'size'"),
        ("{model} --option sise=3", "the dataset 'irle' has no setting 'sise'; did you mean 'size'?"),
        ("{model} --output {folder}", "Expected --output to name a JSON file, found the folder"),
        ("{model} --predictions a.jsonl", "Expected a tagger for --data_files and --predictions, found an IR+LE"),
        ("{model} --dataset irle --data_dir {features}", "has precomputed features and the model reads raw images"),
    ],
)
def test_mistakes_are_one_sentence(
    words: str, message: str, raw_model: Path, irle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", *words.format(folder=raw_model.parent, model=raw_model, features=irle_folder).split()])
    assert stopped.value.code == 1
    assert message in capsys.readouterr().err
