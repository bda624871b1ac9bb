"""``hf-mlm data``; of ``features`` wrong settings alone, the rest is in construction/features/test_describe.py."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hf_mlm.cli.main import main
from hf_mlm.data.mmnerd.layout import IMAGE_FOLDER


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
    (tmp_path / "train.txt").write_text(bad + "Oslo\tB-LOC\n\n" * 40)
    assert run(tmp_path / "train.txt") == 1
    out = capsys.readouterr().out
    assert "Entities: all mentions" in out and "Findings" in out
    assert f"{tmp_path}/train.txt:1: 'I-LOC' follows 'O'" in out
    assert f"{tmp_path}/train.txt:28: " in out and f"{tmp_path}/train.txt:31: " not in out
    assert "… and 2 more (--json tells all)" in out


def test_mistakes_are_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 1 and run("a.txt", "--data_dir", tmp_path) == 1
    assert capsys.readouterr().err.count("or the folder of MMNERD as --data_dir") == 2
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
    assert "found ['SHIP', '']" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--segments", "some"], "some"),
        (["--tokens", "odd"], "odd"),
        (["--text_layers", "0"], "0"),
        (["--dtype", "int8"], "int8"),
        (["--config", "mlm"], "config='mlm'"),
        (["--batch_size", "0"], "batch"),
        (["--option", "size"], "size"),
        (["--data_dir", "missing"], "missing"),
    ],
)
def test_mistakes(
    words: list[str], sentence: str, raw_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = ["--data_dir", str(raw_folder), "--image_encoders", "none", "--text_encoder", "none"]
    with pytest.raises(SystemExit) as stopped:
        main(["data", "features", *fixed, "--output", str(tmp_path / "out"), *words])
    assert stopped.value.code != 0 and sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def run_data(*words: str) -> int:
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
    assert run_data("convert", str(source), str(tmp_path / "out"), "--dtype", "float16", "--config", "irle-gr") == 0
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
    assert run_data(*words) == 1
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_wrong_dtype(source: Path, tmp_path: Path, capsys: Any) -> None:
    assert run_data("convert", str(source), str(tmp_path / "out"), "--dtype", "int8") == 1
    assert "dtype to be one of float32, float16, found 'int8'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_help_names_the_commands(capsys: Any) -> None:
    assert run_data("--help") == 0
    said = capsys.readouterr().out
    assert "convert" in said and "download" in said


def test_missing_words(capsys: Any) -> None:
    assert run_data("convert") == 2
    assert "Missing argument" in capsys.readouterr().err


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    """An archive of three records, one of which names an image that is not there."""
    folder = tmp_path / "plates"
    folder.mkdir()
    (folder / "plates.csv").write_text(
        "Signatur;Titel;Text;Bild;Breite;Länge;Lizenz\n"
        "A/1;Kai;Ein Hafen.;;53,5;-9,5;CC0-1.0\n"
        "A/2;Berg;Ein Berg.;none.jpg;;;CC0-1.0\n"
        "A/3;Ort;Ein Ort.;;47;16;CC0-1.0\n"
    )
    return folder


def data(*words: object, status: int = 0) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["data", *map(str, words)])
    assert stopped.value.code == status


def test_an_archive_is_checked_imported_and_described(plates: Path, tmp_path: Path, capsys: Any) -> None:
    data("check", plates, "--json", tmp_path / "faults.json", status=1)
    faults = json.loads((tmp_path / "faults.json").read_text())
    assert faults["counts"] == {"missing image": 1, "no coordinates": 1, "no image": 3}
    assert (faults["rows"], faults["faults"][0]["found"]) == (3, "none.jpg")
    assert "missing image" in capsys.readouterr().out.replace("\n", " ")
    data("import", plates, tmp_path / "out", "--language", "de")
    shown = capsys.readouterr().out
    for line in (
        "latitude: Breite",
        "texts: Text (de)",
        "2 with coordinates",
        "1 × missing image",
        'load_dataset("mlm", "archive"',
    ):
        assert line in shown
    data("check", tmp_path / "out")
    data("describe", tmp_path / "out", "--json", tmp_path / "counts.json")
    assert json.loads((tmp_path / "counts.json").read_text())["languages"] == {"de": 3}


def test_warnings_count_on_request(plates: Path, capsys: Any) -> None:
    (plates / "plates.csv").write_text("id,text\n1,x\n")
    data("check", plates)
    data("check", plates, "--strict", status=1)
    capsys.readouterr()
    data("check", plates, "--json")
    assert json.loads(capsys.readouterr().out)["severity"] == "warning"


ARCHIVES = {
    "nothing there": (["check", "{plates}/none"], "none is not a file; check the path"),
    "two at once": (["check", "{plates}/plates.csv", "{plates}"], "Expected one folder, zip or table, found 2"),
    "a taken folder": (["import", "{plates}", "{plates}"], "is there already and holds files"),
    "an absent mapping": (
        ["import", "{plates}", "{plates}/out", "--columns", "{plates}/c.yaml"],
        "no mapping of columns",
    ),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_mistakes_with_archives_get_a_sentence(case: str, plates: Path, capsys: Any) -> None:
    words, message = ARCHIVES[case]
    data(*(word.format(plates=plates) for word in words), status=1)
    assert message in capsys.readouterr().err
