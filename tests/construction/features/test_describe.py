"""Rows to vectors: each image and text gets its own, in its place, whatever is beside it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import load_dataset
from PIL import Image

import hf_mlm  # noqa: F401, registers mlm
from hf_mlm.cli import main
from hf_mlm.construction.features.describe import DescribedShard, Describers, describe, feature_rows, told_summaries
from hf_mlm.construction.features.describers import TextDescriber, TextRecipe, open_describer
from hf_mlm.models.base.images import to_rgb
from tests.construction.features.tiny import save_image_encoder, save_places, save_text_encoder


class Colour:
    """An image is described by its mean colour."""

    size = 3

    def __call__(self, pictures: list[Image.Image]) -> np.ndarray:
        return np.stack([np.asarray(picture, np.float32).mean(axis=(0, 1)) for picture in pictures])


class Length:
    """A text is described by its length; every text is asked for once."""

    size = 1

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: list[str], batch_size: int) -> np.ndarray:
        self.asked += texts
        return np.array([[len(text)] for text in texts], np.float32).reshape(-1, 1)


def row(
    number: int, colours: list[int], summaries: dict[str, str | None], classes: list[str] | None
) -> dict[str, Any]:
    images = [Image.new("RGB", (2, 2), (colour, 0, number)) for colour in colours]
    fixed = {"latitude": 1.0 * number, "longitude": -1.0 * number, "geo_cell": number % 2}
    return {"entity_id": f"Q{number}", "images": images, "summaries": summaries, "classes": classes} | fixed


ROWS = [
    row(1, [10, 20], {"en": "abc", "de": None, "fr": " "}, ["city", "port"]),
    row(2, [30], {"en": "abc", "de": "abcd"}, None),
    row(3, [40, 50, 60], {"en": None, "de": "x"}, ["city"]),
]


@pytest.mark.parametrize("batch_size", [1, 2, 50])
def test_everything_in_its_place(batch_size: int) -> None:
    texts = Length()
    found = feature_rows(ROWS, Describers([Colour(), Colour()], texts, batch_size), [(0, 0), (5, 6)])  # type: ignore
    assert sorted(texts.asked) == sorted({"abc", "abcd", "x", "city", "port"})
    for made, given in zip(found, ROWS, strict=True):
        assert made.entity_id == given["entity_id"]
        colours = [[*np.asarray(image)[0, 0].tolist()] * 2 for image in given["images"]]
        assert made.images.tolist() == colours
        assert made.classes.tolist() == [[len(name)] for name in given["classes"] or []]
        assert made.summaries.tolist() == [[len(text)] for text in told_summaries(given).values()]
        assert made.cell_position == [(0, 0), (5, 6)][given["geo_cell"]] and made.position[1] == -made.position[0]
    assert found[0].languages == ["en"] and found[1].languages == ["en", "de"]


CELLS = {"min_entities": 1, "max_entities": 30}


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("encoders")
    save_places(folder / "places.pth.tar")
    images = [str(save_image_encoder(folder)), str(folder / "places.pth.tar")]
    return {"image_encoders": images, "text_encoder": str(save_text_encoder(folder))}


def test_rows(raw_folder: Path, encoders: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "features"
    words = ["--data_dir", str(raw_folder), "--image_encoders", *encoders["image_encoders"], "--option"]
    words += ["min_entities=1", "--option", "max_entities=30", "--text_encoder", encoders["text_encoder"]]
    main_words = ["data", "features", *words, "--output", str(out), "--batch_size", "7"]
    with pytest.raises(SystemExit) as ended:
        main(main_words)
    assert ended.value.code == 0 and "Verified and complete" in capsys.readouterr().out
    raw = load_dataset("mlm", "irle", data_dir=str(raw_folder), **CELLS)
    rows = load_dataset("mlm", "irle", data_dir=str(out))
    assert {name: len(split) for name, split in rows.items()} == {name: len(split) for name, split in raw.items()}
    record = json.loads((out / "descriptors.json").read_text())
    assert record["cells"] == raw["train"].features["geo_cell"].names and len(record["images"]) == 2
    describers = [open_describer(name) for name in encoders["image_encoders"]]
    texts = TextDescriber(encoders["text_encoder"])
    for theirs, ours in zip(raw["test"], rows["test"], strict=True):
        assert ours["entity_id"] == theirs["entity_id"] and ours["geo_cell"] == theirs["geo_cell"]
        assert ours["latitude"] == theirs["latitude"] and ours["summary_languages"] == ["en", "de", "fr"]
        image = np.concatenate([describer([to_rgb(theirs["images"][0])])[0] for describer in describers])
        np.testing.assert_allclose(ours["image_features"], [image], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(ours["summary_features"], texts(list(theirs["summaries"].values())), atol=1e-5)
        np.testing.assert_allclose(ours["class_features"], texts(theirs["classes"]), atol=1e-5)


def test_interrupted(
    raw_folder: Path, encoders: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"data_dir": raw_folder, "output": tmp_path / "out", "rows_per_shard": 16, **encoders, **CELLS}
    tables, made = DescribedShard.tables, []

    def until_the_second(shard: DescribedShard) -> Any:
        if len(made) == 1:
            raise KeyboardInterrupt
        made.append(shard.start)
        return tables(shard)

    monkeypatch.setattr(DescribedShard, "tables", until_the_second)
    with pytest.raises(KeyboardInterrupt):
        describe(**arguments)
    assert not list((tmp_path / "out").glob("*.tmp"))
    with pytest.raises(ValueError, match="not finished"):
        load_dataset("mlm", "irle", data_dir=str(tmp_path / "out"))
    monkeypatch.setattr(DescribedShard, "tables", lambda shard: made.append(shard.start) or tables(shard))
    describe(**arguments)
    written = sorted((tmp_path / "out").glob("*.parquet"))
    assert len(made) == len(written)  # none twice
    describe(**arguments | {"batch_size": 3})  # all are there, and decide nothing anew
    assert len(made) == len(written)
    with pytest.raises(ValueError, match="with other settings"):
        describe(**arguments | {"recipe": TextRecipe(segments="first")})


def test_mistakes(raw_folder: Path, irle_folder: Path, encoders: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="config='mlm'"):
        describe(raw_folder, tmp_path / "out", config="mlm", **encoders)
    with pytest.raises(FileNotFoundError, match="found features"):
        describe(irle_folder, tmp_path / "out", **encoders)
    with pytest.raises(ValueError, match="for both"):
        describe(raw_folder, raw_folder, **encoders)
    with pytest.raises(ValueError, match="at least one image encoder"):
        describe(raw_folder, tmp_path / "out", [], encoders["text_encoder"])
    assert not (tmp_path / "out").exists()


@pytest.mark.heavy
def test_killed(raw_folder: Path, encoders: dict[str, Any], tmp_path: Path) -> None:
    words = ["--data_dir", str(raw_folder), "--image_encoders", *encoders["image_encoders"], "--option"]
    words += ["min_entities=1", "--option", "max_entities=30", "--text_encoder", encoders["text_encoder"]]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-c", _DYING, "data", "features", *words, "--output", str(killed)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    (first,) = killed.glob("*.parquet")
    written = first.stat().st_mtime_ns
    assert len(list(killed.glob("*.tmp"))) == 1  # half a shard
    for folder in (killed, whole):
        with pytest.raises(SystemExit) as ended:
            main(["data", "features", *words, "--output", str(folder)])
        assert ended.value.code == 0
    files = {folder: {path.name: path.read_bytes() for path in folder.iterdir()} for folder in (killed, whole)}
    assert files[killed] == files[whole] and first.stat().st_mtime_ns == written


_DYING = """
import os, signal, sys
from hf_mlm.construction.features.describe import DescribedShard

tables, begun = DescribedShard.tables, []

def dying(shard):
    begun.append(shard)
    for table in tables(shard):
        yield table
        if len(begun) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

DescribedShard.tables = dying
from hf_mlm.cli import main
main(sys.argv[1:])
"""
