from __future__ import annotations

from pathlib import Path

import pytest

from hf_mlm.cli import main


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
        ("{model}", "there is nothing to locate: pass --image FILE, --text TEXT or both."),
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
