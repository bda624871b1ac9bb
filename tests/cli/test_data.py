from pathlib import Path
from typing import Any

import pytest

from hf_mlm.cli.main import main


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["data", *words])
    return int(caught.value.code or 0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "source").mkdir()
    with h5py.File(tmp_path / "source" / "train.h5", "w") as file:
        file["ids"] = [64]
        file["64_images"] = file["64_summaries"] = [[1.0, 2.0]]
    return tmp_path / "source"


def test_convert_says_how_to_load(source: Path, tmp_path: Path, capsys: Any) -> None:
    assert run("convert", str(source), str(tmp_path / "out"), "--dtype", "float16", "--config", "irle-gr") == 0
    said = capsys.readouterr().out
    assert said == f'Verified and complete: load_dataset("mlm", "irle-gr", data_dir="{tmp_path / "out"}")\n'
    assert [path.name for path in (tmp_path / "out").glob("*.parquet")] == ["train-00000-of-00001.parquet"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["convert", "nowhere", "out"], "data_dir 'nowhere' is not a folder"),
        (["download", "irle", "out"], "HF_HUB_OFFLINE is set; unset it, or download the files by hand"),
        (["download", "demo", "out"], "nothing to download for 'demo'"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    words: list[str], message: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 1
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_wrong_dtype(source: Path, tmp_path: Path, capsys: Any) -> None:
    assert run("convert", str(source), str(tmp_path / "out"), "--dtype", "int8") == 1
    assert "dtype must be one of float32, float16, got 'int8'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_help_names_the_commands(capsys: Any) -> None:
    assert run("--help") == 0
    said = capsys.readouterr().out
    assert "convert" in said and "download" in said


def test_missing_words(capsys: Any) -> None:
    assert run("convert") == 2
    assert "Missing argument" in capsys.readouterr().err
