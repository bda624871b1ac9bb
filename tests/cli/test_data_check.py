import json
from pathlib import Path

import pytest
from PIL import Image

from hf_mlm.cli import main
from hf_mlm.data.formats.mmnerd_layout import IMAGE_FOLDER


GOOD = "IMGID:17_06_1\nRome\tB-LOC\n\u200b\tO\n\n"


def run(*words: object) -> int:
    try:
        main(["data", "check", *map(str, words)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_tree_of_languages_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for language, split in (("de", "test"), ("en", "train"), ("en", "valid")):
        folder = tmp_path / f"train_valid_test_{language}"
        folder.mkdir(exist_ok=True)
        (folder / f"{split}_conll_format.txt").write_text(GOOD, encoding="utf-8")
    (tmp_path / IMAGE_FOLDER).mkdir()
    (tmp_path / IMAGE_FOLDER / "17_06_1.jpg").write_bytes(b"")
    assert run("--data_dir", tmp_path, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [(part["language"], part["split"]) for part in report["statistics"]] == [
        ("en", "train"),
        ("en", "validation"),
        ("de", "test"),
    ]
    assert {(part["language"], part["same_language"], part["other_languages"]) for part in report["leakage"]} == {
        ("en", 1, 0),
        ("de", 0, 1),
    }
    assert report["images"]["looked_for"] == len(report["images"]["broken"]) == 1


def test_files_by_their_names_and_their_own_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["fr.dev.conllu", "test.txt", "es-train.conll", "other.txt"]
    for name in names:
        (tmp_path / name).write_text(GOOD, encoding="utf-8")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "images" / "17_06_1.png")
    options = ["--image-dir", tmp_path / "images", "--language", "de", "--json"]
    assert run(*[tmp_path / name for name in names], *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert [(part["language"], part["split"]) for part in report["statistics"]] == [
        ("es", "train"),
        ("fr", "validation"),
        ("de", "test"),
        ("de", "other.txt"),
    ]
    assert report["images"] == {"looked_for": 1, "absent": [], "broken": []}


def test_tables_and_the_status_of_bad_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = "".join(f"Rome\tI-LOC\n{number}\tO\n\n" for number in range(12))
    (tmp_path / "train.txt").write_text(bad)
    assert run(tmp_path / "train.txt") == 1
    out = capsys.readouterr().out
    assert "Entities: all mentions" in out and "Findings" in out
    assert f"{tmp_path}/train.txt:1: 'I-LOC' follows 'O'" in out
    assert f"{tmp_path}/train.txt:28: " in out and f"{tmp_path}/train.txt:31: " not in out
    assert "… and 2 more (--json tells all)" in out


def test_mistakes_are_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 1 and run("a.txt", "--data_dir", tmp_path) == 1
    assert capsys.readouterr().err.count("needs either CoNLL files or the folder that holds MMNERD") == 2
    assert run(tmp_path / "none.txt") == 1
    assert "none.txt is not a file; check the path." in capsys.readouterr().err
    (tmp_path / "train.txt").touch()
    assert run(tmp_path / "train.txt") == 1
    assert "train.txt is empty (0 bytes); fetch or write it again." in capsys.readouterr().err
    (tmp_path / "train.txt").unlink()
    assert run("--data_dir", tmp_path) == 1
    assert "holds no files of language 'en'" in capsys.readouterr().err
    assert run("--data_dir", "nowhere") == 1
    assert "data_dir 'nowhere' is not a folder; give the folder that holds MMNERD." in capsys.readouterr().err


def test_entity_types_of_ones_own_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.conll").write_text("Asgard\tB-SHIP\n1914\tB-DATE\n\n")
    assert run(tmp_path / "train.conll", "--json") == 1
    assert json.loads(capsys.readouterr().out)["labels"]["unknown_types"] == {"SHIP": 1, "DATE": 1}
    assert run(tmp_path / "train.conll", "--labels", "SHIP, DATE") == 0
    assert run(tmp_path / "train.conll", "--labels", "SHIP,") == 1
    assert "must be a list of entity types" in capsys.readouterr().err
