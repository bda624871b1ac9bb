from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hf_mlm.runs.settings import parse_settings, read_recipe, refuse_other_settings, save_settings, shipped_recipes
from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments
from hf_mlm.training.taggers.arguments import NERArguments, NERTrainingArguments


def parse(*words: str) -> tuple[IRLEArguments, IRLETrainingArguments]:
    return parse_settings([IRLEArguments, IRLETrainingArguments], words, "test")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "dataset: irle\nlearning_rate: 1e-3\nmodel: {margin: 2e-1, tasks: [geo]}\ndataset_options:\n  dtype: float16\n"
        "bf16: false\nlabel_names: [image_cells]\nsave_total_limit: null\ntext_encoder: {model_type: bert}\n"
    )
    return path


def test_recipe_gives_values_of_the_right_types(recipe: Path) -> None:
    ours, theirs = parse("--config", str(recipe))
    assert (ours.dataset, ours.model) == ("irle", {"margin": 0.2, "tasks": ["geo"]})
    assert (ours.dataset_options, ours.text_encoder) == ({"dtype": "float16"}, {"model_type": "bert"})
    assert (theirs.learning_rate, theirs.bf16, theirs.label_names) == (1e-3, False, ["image_cells"])
    assert theirs.save_total_limit is None


def test_flags_override_the_recipe(recipe: Path) -> None:
    words = "--learning-rate=0.5 --dataset demo --model.margin 1e-2 --model.tasks [retrieval] --label_names a b"
    switches = ("--bf16", "--use_cpu", "--no_average_tokens_across_devices")
    ours, theirs = parse("--config", str(recipe), *words.split(), *switches)
    assert (theirs.learning_rate, ours.dataset, theirs.label_names) == (0.5, "demo", ["a", "b"])
    assert ours.model == {"margin": 0.01, "tasks": ["retrieval"]}
    assert (theirs.bf16, theirs.use_cpu, theirs.average_tokens_across_devices) == (True, True, False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--learning_rat 1", "the command line has no setting 'learning_rat'; did you mean 'learning_rate'"),
        ("--learning_rate fast", "learning_rate.*invalid float value: 'fast'"),
        ("--views best", "views.*invalid choice"),
        ("irle", "Expected an option, .* found 'irle'"),
        ("--model.margin [", "--model.margin is not YAML"),
        ("--model margin", "model='margin' must be a mapping"),
    ],
)
def test_wrong_flags_are_named(words: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(*words.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("datset: irle", "mine.yaml has no setting 'datset'; did you mean 'dataset'"),
        ("- irle", "must hold a mapping"),
        ("a: [", "mine.yaml is not YAML"),
        ("[" * 10_000, "mine.yaml is not YAML"),
        ("a: \x00", "mine.yaml is not YAML"),
        ("num_train_epochs: many", "invalid float value: 'many'"),
    ],
)
def test_wrong_recipes_are_named(recipe: Path, text: str, message: str) -> None:
    recipe.write_text(text)
    with pytest.raises(ValueError, match=message):
        parse("--config", str(recipe))


def test_absent_recipe_is_named_with_those_there_are() -> None:
    with pytest.raises(FileNotFoundError, match="irle, irle-archive, irle-gr, irle-reference.*found no 'nope'"):
        parse("--config", "nope")


def test_help_lists_recipes_and_settings_of_both(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--config", "irle", "--help")
    text = "".join(capsys.readouterr().out.split())  # without the line breaks of the page
    assert all(word in text for word in ("irle-reference", "--features_on_device", "--learning_rate"))


@pytest.mark.parametrize("name", ["irle", "irle-gr", "irle-reference"])
def test_shipped_recipes_hold_the_settings_of_the_paper(name: str) -> None:
    ours, theirs = parse("--config", name, "--use_cpu")
    assert ours.dataset == ("irle-gr" if name == "irle-gr" else "irle")
    assert ours.reference == (name == "irle-reference")
    assert (ours.model["dropout"], ours.model["margin"], ours.model["embedding_size"]) == (0.1, 0.1, 1024)
    assert (ours.pools, ours.pool_size) == (10, 500)
    assert (theirs.learning_rate, theirs.lr_scheduler_type, theirs.warmup_steps) == (1e-4, "constant", 0)
    assert (theirs.weight_decay, theirs.max_grad_norm) == (0, 0)
    assert (theirs.per_device_train_batch_size, theirs.num_train_epochs) == (128, 100)
    assert (theirs.metric_for_best_model, theirs.greater_is_better) == ("mean_medR", False)
    assert theirs.load_best_model_at_end


def test_every_shipped_recipe_parses() -> None:
    for_places = {"demo", "irle", "irle-archive", "irle-gr", "irle-reference"}
    assert for_places < set(shipped_recipes())
    for name in shipped_recipes():
        types = [IRLEArguments, IRLETrainingArguments] if name in for_places else [NERArguments, NERTrainingArguments]
        parse_settings(types, ["--config", name, "--use_cpu"], "test")


def test_two_mner_recipe_holds_the_settings_of_table_4() -> None:
    ours, theirs = parse_settings([NERArguments, NERTrainingArguments], ["--config", "two-mner", "--use_cpu"], "test")
    assert ours.model == {"alpha": 0.8, "dropout": 0.1, "freeze_resnet": True}
    assert (theirs.learning_rate, theirs.per_device_train_batch_size) == (5e-5, 16)
    assert (theirs.lr_scheduler_type, theirs.warmup_steps, theirs.weight_decay) == ("linear", 0, 0)
    assert (theirs.metric_for_best_model, theirs.load_best_model_at_end) == ("f1", True)


def test_saved_settings_are_a_recipe_that_repeats_the_run(recipe: Path, tmp_path: Path) -> None:
    run = parse("--config", str(recipe), "--output_dir", str(tmp_path / "run"), "--lr_scheduler_type", "constant")
    save_settings(run, tmp_path / "run")
    again = parse("--config", str(tmp_path / "run" / "settings.yaml"))
    assert [dataclasses.asdict(settings) for settings in again] == [dataclasses.asdict(settings) for settings in run]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["settings.yaml"]


def test_secrets_are_not_saved(tmp_path: Path) -> None:
    save_settings(parse("--hub_token", "hf_secret", "--resume_from_checkpoint", "x"), tmp_path)
    assert read_recipe(str(tmp_path / "settings.yaml")) == {}


def test_other_settings_are_refused_and_free_ones_are_not(tmp_path: Path) -> None:
    save_settings(parse("--learning_rate", "0.1"), tmp_path)
    refuse_other_settings(parse("--learning_rate", "0.1", "--disable_tqdm", "true"), tmp_path)
    with pytest.raises(ValueError, match=r"\(learning_rate was 0.1, now 0.2\).*--resume_from_checkpoint"):
        refuse_other_settings(parse("--learning_rate", "0.2"), tmp_path)
    with pytest.raises(ValueError, match=r"\(seed was its default, now 7\)"):
        refuse_other_settings(parse("--learning_rate", "0.1", "--seed", "7"), tmp_path)
    refuse_other_settings(parse("--seed", "7"), tmp_path / "new")
