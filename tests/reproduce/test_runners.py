import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from datasets import ClassLabel, Dataset, Features, List, Value

from hf_mlm.data.mmnerd.schemes import TAGS
from hf_mlm.reproduce import runners
from hf_mlm.reproduce.experiments import TaggerSpec
from hf_mlm.reproduce.runners import count_mlm, count_mmnerd, merge, only_numbers, read_counts, write_recipe
from hf_mlm.reproduce.runs import BATCH, Job
from hf_mlm.reproduce.scales import Setup


def test_counts_are_one_row_a_sentence_whatever_the_order_and_the_windows(tmp_path: Path) -> None:
    assert read_counts(tmp_path) == []
    one = {"ids": ["b", "a", "b"], "counts": [[1, 2, 3], [4, 5, 6], [10, 20, 30]]}
    (tmp_path / "counts_test.json").write_text(json.dumps(one))
    assert read_counts(tmp_path) == [[4, 5, 6], [11, 22, 33]]


def test_sentences_and_names_are_counted() -> None:
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=list(TAGS)))})

    def rows(*sentences: str) -> Dataset:
        words = [[word.split("/") for word in sentence.split()] for sentence in sentences]
        tokens = [[word[0] for word in sentence] for sentence in words]
        tags = [[TAGS.index(word[1]) if len(word) > 1 else 0 for word in sentence] for sentence in words]
        return Dataset.from_dict({"tokens": tokens, "ner_tags": tags}, features=features)

    splits = {"train": rows("Bonn/B-LOC and Bonn/B-LOC", "Ada/B-PER Lovelace/I-PER"), "test": rows("nobody")}
    counts = count_mmnerd(splits)
    assert (counts["train_sentences"], counts["train_LOC"], counts["train_entities"]) == (2, 1, 2)
    assert (counts["test_entities"], counts["total_sentences"], counts["total_PER"]) == (0, 3, 1)


def test_raw_rows_and_features_are_counted_alike(feature_rows: Any) -> None:
    rows = feature_rows(20)
    counts = count_mlm({"train": rows})
    assert counts == {
        "entities": 20,
        "images": sum(len(row) for row in rows["image_features"]),
        "summaries": sum(len(row) for row in rows["summary_features"]),
    }
    raw = Dataset.from_list(
        [
            {"images": ["x", "y"], "summaries": {"en": "a", "de": None}, "classes": ["city", "port"]},
            {"images": ["z"], "summaries": {"en": "b", "de": "c"}, "classes": ["city"]},
        ]
    )
    assert count_mlm({"train": raw, "test": raw}) == {"entities": 4, "images": 6, "summaries": 6, "classes": 2}


def test_a_recipe_repeats_the_settings(tmp_path: Path) -> None:
    settings = {"dataset": "en+de", "model": {"alpha": 0.8}, "learning_rate": 5e-5, "seed": 1}
    from hf_mlm.runs.settings import read_recipe

    path = write_recipe(settings, tmp_path)
    read = read_recipe(str(path))
    assert read.pop("use_cpu") and read == settings and yaml.safe_load(path.read_text())["dataset"] == "en+de"
    assert [file.name for file in tmp_path.iterdir()] == ["recipe.yaml"]


def test_an_interrupted_run_goes_on_with_other_data_folders_and_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hf_mlm.runs import checkpoints
    from hf_mlm.runs.settings import save_settings
    from hf_mlm.training.taggers import train as train_module

    def train(*settings: Any, tested: bool) -> Any:
        assert tested
        found.append((checkpoints.find_checkpoint(settings), settings[1].per_device_train_batch_size))
        save_settings(settings, settings[1].output_dir)
        (Path(settings[1].output_dir) / "checkpoint-3").mkdir(exist_ok=True)
        return SimpleNamespace(results={}, trainer=SimpleNamespace(free_models=lambda: None))

    found: list[Any] = []
    monkeypatch.setattr(train_module, "train", train)
    monkeypatch.setattr(checkpoints, "damage_of", lambda folder: None)
    for data, processes in (("here", 2), ("there", 1), ("there", 4)):
        monkeypatch.setattr(
            runners, "share_batch", lambda settings, chosen, n=processes: {**settings, BATCH: settings[BATCH] // n}
        )
        runners.run_tagger(Job(TaggerSpec("BERT-CRF", "en"), 1, Setup("smoke", data), "x"), tmp_path)
    checkpoint = str(tmp_path / "model" / "checkpoint-3")
    assert found == [(None, 8), (checkpoint, 16), (checkpoint, 4)]
    assert "resume" not in (tmp_path / "recipe.yaml").read_text() + (tmp_path / "model/settings.yaml").read_text()


def test_settings_go_over_recipes() -> None:
    assert merge({"a": 1, "model": {"b": 2, "c": 3}}, {"model": {"b": 4}}) == {"a": 1, "model": {"b": 4, "c": 3}}
    assert merge({}, {"a": 1}) == {"a": 1, "model": {}}


def test_only_numbers_are_figures() -> None:
    assert only_numbers({"a": 1, "b": 2.5, "c": "x", "d": True, "e": None}) == {"a": 1.0, "b": 2.5}
