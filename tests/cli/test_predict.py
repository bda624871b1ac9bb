from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from hf_mlm.cli import main
from hf_mlm.cli.predict import COLUMNS


def test_image_and_text_are_located_and_compared(
    raw_model: Path, raw_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--text", "Lima en 4", "--classes", "city, port", "--gallery", "same", "--split", "train", "--top", "2"]
    with pytest.raises(SystemExit) as stopped:
        main(["predict", str(raw_model), "--image", str(raw_folder / "images" / "Q0_0.png"), *words])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for line in ("image: ", "text: ", "half of the probability within"):
        assert line in shown
    tables = shown.split("like the")
    assert len(tables) == 3
    assert tables[1].count("│") == tables[2].count("│") == 2 * 5  # two neighbours of four columns


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{model}", "there is nothing to locate: pass images, --image FILE, --text TEXT"),
        ("{model} --text=", "there is nothing to locate"),
        ("{model} --image {folder}/absent.png", "there is no image at"),
        ("{model} --image {folder}/MLM_small.json", "cannot be read as an image"),
        ("{folder} --text Lima", "has no config.json"),
    ],
)
def test_mistakes_are_one_sentence(
    words: str, message: str, raw_model: Path, raw_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["predict", *words.format(model=raw_model, folder=raw_folder).split()])
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.fixture
def photos(raw_folder: Path, tmp_path: Path) -> Path:
    """Three photographs, and a file that is none."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "below/c.png")):
        (folder / name).write_bytes((raw_folder / "images" / f"Q{number}_0.png").read_bytes())
    (folder / "broken.jpg").write_text("no image")
    return folder


def predict(*words: object, status: int = 0) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["predict", *map(str, words)])
    assert stopped.value.code == status


def test_a_folder_is_located_whatever_one_file_is(
    raw_model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(raw_model, photos, "--folder", "--output", tmp_path / "out.csv", "--batch_size", 2)
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    names = [str(Path(row["input"]).relative_to(photos)) for row in rows]
    assert names == ["a.png", "b.png", "broken.jpg", "below/c.png"]
    assert [bool(row["latitude"]) for row in rows] == [True, True, False, True]
    assert "broken.jpg cannot be read as an image" in rows[2]["error"]
    told = capsys.readouterr().err
    assert "broken.jpg is passed over" in told and "1 of 4 inputs are passed over" in told


def test_every_format_tells_the_same_places(raw_model: Path, photos: Path, tmp_path: Path) -> None:
    for ending in ("csv", "jsonl", "geojson", "html"):
        predict(raw_model, photos / "a.png", photos / "b.png", "--output", tmp_path / f"out.{ending}")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    features = json.loads((tmp_path / "out.geojson").read_text())["features"]
    page = (tmp_path / "out.html").read_text()
    for row, line, feature in zip(rows, lines, features, strict=True):
        place = [float(row["longitude"]), float(row["latitude"])]
        assert place == pytest.approx([line["longitude"], line["latitude"]], abs=1e-5)
        assert place == pytest.approx(feature["geometry"]["coordinates"], abs=1e-5)
        assert f"<td>{row['latitude']}</td>" in page
    assert page.count('class="cell several"') == 2


def test_texts_come_from_lines_and_tables(raw_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("Lima en 4\n\nRome en 5\n")
    (tmp_path / "a.csv").write_text("id;text\nA-1;Lima en 4\nA-2;Rome en 5\n")
    predict(raw_model, "--texts", tmp_path / "a.txt")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    predict(raw_model, "--texts", tmp_path / "a.csv", "--gallery", "same", "--split", "train", "--top", 2)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["input"] for line in lines] == ["line 1", "line 3"]
    assert [row["input"] for row in rows] == ["A-1", "A-2"]
    assert [line["latitude"] for line in lines] == pytest.approx([row["latitude"] for row in rows])
    assert [len(row["neighbours"]) for row in rows] == [2, 2]


WRONG = {
    "a folder for an image": (["{photos}"], "found the folder .*photos: pass --folder"),
    "a table for an image": (["{photos}/a.csv"], "pass a table or lines of texts by --texts"),
    "a folder for texts": (["--texts", "{photos}"], "file of texts .*found a folder"),
    "no texts": (["--texts", "{photos}/none.txt"], "file of texts .*found nothing"),
    "an unknown format": (["{photos}/a.png", "--output", "{photos}/x.png"], "--output to end with one of .csv"),
    "no folder to write to": (["{photos}/a.png", "--output", "{photos}/none/x.csv"], "no folder .*none"),
    "nothing that can be read": (["{photos}/broken.jpg"], "none of 1 inputs could be located"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_get_a_sentence(
    case: str, raw_model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    words, message = WRONG[case]
    predict(raw_model, *(word.format(photos=photos) for word in words), status=1)
    assert re.search(message, capsys.readouterr().err)
