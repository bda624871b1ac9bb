from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_mlm.publishing.cards import TEMPLATES
from hf_mlm.publishing.model_card import model_card
from hf_mlm.publishing.run_facts import RunFacts


RETRIEVAL = {"test_image_to_text_medR": 6.84, "test_image_to_text_medR_low": 6.0, "test_image_to_text_medR_high": 7.5}
GEO = {"test_image_accuracy": 0.7, "test_text_median_km": 1234.4, "test_pool_size": 500, "eval_image_accuracy": 0.9}


def facts(model_type: str = "irle", **fields: Any) -> RunFacts:
    found = {"config": {"model_type": model_type}, "settings": {"dataset": "irle-gr"}, **fields}
    config = found["settings"].get("dataset")
    origins = {None: None, "demo": "demo"}
    return RunFacts(**{"origin": origins.get(config, "mlm" if model_type == "irle" else "mmnerd"), **found})


def metadata(card: Any) -> dict[str, Any]:
    return yaml.safe_load(str(card).split("---")[1])


def test_figures_stand_in_the_table_and_in_the_model_index() -> None:
    card = model_card(facts(results=RETRIEVAL | GEO), "tester/irle")
    assert "| image → text, median rank | 6.8 (6.0–7.5) |" in card.content
    assert "| median error in km, from the text | 1,234 |" in card.content
    assert "On the test split, retrieval among 500 candidates" in card.content
    (result, *others) = metadata(card)["model-index"][0]["results"]
    assert result["dataset"] == {"type": "mlm", "name": "MLM (irle-gr)", "config": "irle-gr", "split": "test"}
    found = {metric["name"]: metric["value"] for each in (result, *others) for metric in each["metrics"]}
    assert found["right cell, from the image"] == 0.7  # that of the test split, not 0.9
    assert found["image → text, median rank"] == 6.84


def test_other_runs_stand_beside_it_with_a_dash_for_what_they_have_not() -> None:
    other = facts(results={"test_image_accuracy": 0.5})
    card = model_card(facts(results=RETRIEVAL | GEO), "tester/irle", others={"images alone": other})
    assert "|  | this model | images alone |" in card.content
    assert "| right cell, from the image | 0.700 | 0.500 |" in card.content
    assert "| image → text, median rank | 6.8 (6.0–7.5) | – |" in card.content


def test_entity_figures_by_type() -> None:
    results = {"eval_f1": 0.5, "eval_strict_f1": 0.4, "eval_PER_f1": 0.25, "eval_runtime": 3.0}
    card = model_card(facts("two_mner", settings={"dataset": "demo"}, results=results), "tester/ner")
    rows = [line for line in card.content.splitlines() if line.startswith("| F1")]
    assert rows == ["| F1, all entities | 0.500 |", "| F1, PER | 0.250 |", "| F1, strict | 0.400 |"]
    assert metadata(card)["pipeline_tag"] == "token-classification"


def test_what_the_run_recorded() -> None:
    provenance = {
        "date": "2026-11-22",
        "versions": {"torch": "2.13.0"},
        "hardware": {"accelerators": ["H100", "H100"], "cpu": "EPYC", "cores": 16, "processes": 2},
        "dataset": {"name": "mlm", "config": "irle-gr", "splits": {"train": {"rows": 1234, "sha256": "abc"}}},
        "parameters": 5000,
    }
    state = {"best_metric": 6.5, "best_global_step": 40}
    results = {"epoch": 3.0, "train_runtime": 90.0}
    card = model_card(facts(provenance=provenance, trainer_state=state, results=results), "tester/irle").content
    for row in (
        "| seed | 42 |",
        "| epochs | 3 |",
        "| best checkpoint | validation 6.5 at step 40 |",
        "| training time | 1.5 min |",
        "| parameters | 5,000 |",
        "| hardware | 2 × H100, 16 cores of EPYC, 2 processes |",
        "| train | 1,234 | `abc` |",
    ):
        assert row in card


def test_licences() -> None:
    assert metadata(model_card(facts(), "tester/irle"))["license"] == "apache-2.0"
    with pytest.raises(ValueError, match=r"MMNERD states no licence.*--licence cc-by-nc-4\.0"):
        model_card(facts("two_mner", settings={"dataset": "en"}), "tester/ner")
    with pytest.raises(ValueError, match="a licence that the Hub knows, found 'CC-BY'; did you mean 'cc-by"):
        model_card(facts(), "tester/irle", licence="CC-BY")


def test_a_model_of_files_of_ones_own_does_not_speak_of_mmnerd(tmp_path: Path) -> None:
    labels = {"0": "O", "1": "B-SHIP", "2": "I-SHIP", "3": "B-DATE", "4": "I-DATE"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "crf_tagger", "id2label": labels}))
    (tmp_path / "all_results.json").write_text(json.dumps({"test_f1": 0.5}))
    settings = {"dataset": "de", "data_files": {"train": "letters_of_eve.conll"}, "learning_rate": 1e-4}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings))
    facts = RunFacts.read(tmp_path)
    with pytest.raises(ValueError, match="^the model was trained on files of your own, .*: choose with --licence"):
        model_card(facts, "tester/ships")
    card = model_card(facts, "tester/ships", licence="cc-by-4.0")
    (result,) = metadata(card)["model-index"][0]["results"]
    assert result["dataset"] == {"type": "own-files", "name": "files of the publisher's own (de)", "split": "test"}
    assert metadata(card)["language"] == ["de"]
    assert "- It finds SHIP, DATE and nothing else" in card.content
    assert 'print(tag("Turtles near Sydney"))' in card.content  # it reads no image
    for untrue in ("MMNERD", "load_dataset(", "letters_of_eve", "Captions and posts"):
        assert untrue not in card.content.partition("## Citation")[0]


@pytest.mark.parametrize(
    ("settings", "languages"),
    [
        ({"dataset": "en"}, ["en"]),
        ({"dataset": "en+de"}, ["en", "de"]),
        ({"dataset": "all"}, ["en", "fr", "es", "de"]),
        ({"dataset": "demo"}, ["en", "fr", "es", "de"]),
        ({}, None),
    ],
)
def test_a_card_names_the_languages_of_the_training(settings: dict[str, str], languages: list[str] | None) -> None:
    card = model_card(facts("two_mner", settings=settings), "tester/ner", licence="other")
    assert metadata(card).get("language") == languages
    assert "- Captions and posts are short" in card.content


def test_files_of_several_languages(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "two_mner"}))
    (tmp_path / "settings.yaml").write_text(
        yaml.safe_dump({"data_files": {"de": {"train": "a"}, "es": {"train": "b"}}})
    )
    assert RunFacts.read(tmp_path).languages == ("de", "es")


@pytest.mark.parametrize("model_type", ["irle", "two_mner", "crf_tagger", "umt"])
def test_every_kind_has_a_complete_card(model_type: str) -> None:
    card = model_card(facts(model_type, settings={}), "tester/name").content
    for heading in ("Use", "Results", "Training", "Limits", "Responsible use", "Licences", "Citation"):
        assert f"\n## {heading}\n" in card
    assert "$" not in card
    assert 'from_pretrained("tester/name")' in card


def test_the_templates_are_those_that_the_repository_shows() -> None:
    shown = Path(__file__).parent.parent.parent / "model_cards" / "templates"
    assert {path.name for path in shown.iterdir()} == {path.name for path in TEMPLATES.iterdir()}


def test_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "irle"}))
    (tmp_path / "all_results.json").write_text("{")
    with pytest.raises(ValueError, match=r"all_results\.json is damaged .*: train again"):
        RunFacts.read(tmp_path)


def test_the_state_of_the_last_checkpoint_counts(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for step in (9, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    assert RunFacts.read(tmp_path).trainer_state == {"global_step": 10}
