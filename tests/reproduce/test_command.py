from pathlib import Path

import pytest

from hf_mlm.reproduce import command, runs
from hf_mlm.reproduce.catalog import find_table
from hf_mlm.reproduce.command import check, facts, jobs_of, outline, reproduce, request
from hf_mlm.reproduce.scales import Setup
from tests.reproduce.stub import StubRunner


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
    assert len(runner.asked) == 6 and "51.50 ± 0.71" in files[0].read_text()  # mean of 0.51 and 0.52
    assert notices[0] == "6 runs, 0 of them finished already."
    assert notices[-1].startswith("[6/6] 2m-ner-all-resnet-alone")
    reproduce(asked, {}, notices.append)
    assert notices[7] == "6 runs, 6 of them finished already."


def test_the_table_of_an_interrupted_command_has_what_is_finished(tmp_path: Path) -> None:
    asked = request("2m-ner", "5", Setup("smoke"), tmp_path, only="BERT")
    notices = list[str]()
    with pytest.raises(KeyboardInterrupt):
        reproduce(asked, StubRunner(asked.table, fails_at=3).kinds, notices.append)
    assert notices[-1] == "Interrupted: the same command goes on, and runs that are finished are kept."
    ours = [line for line in (tmp_path / "2m-ner-5-BERT-smoke.md").read_text().splitlines() if "| ours |" in line]
    assert [line.count("51.00") for line in ours] == [7, 7, 0, 0, 0] and ours[2].count("not run") == 7


def test_a_table_that_is_cut_off_early_has_what_was_finished_before(tmp_path: Path) -> None:
    table = find_table("2m-ner", "5")
    reproduce(request("2m-ner", "5", Setup("smoke"), tmp_path, only="UMT"), StubRunner(table).kinds)
    with pytest.raises(KeyboardInterrupt):
        reproduce(request("2m-ner", "5", Setup("smoke"), tmp_path), StubRunner(table, fails_at=1).kinds)
    text = (tmp_path / "2m-ner-5-smoke.md").read_text().splitlines()
    ours = {line.split("|")[1].strip(): text[number + 1] for number, line in enumerate(text) if "published" in line}
    assert ours["UMT"].count("51.00") == 7 and ours["BERT"].count("not run") == 7


def test_a_part_of_a_table_leaves_the_whole_one_as_it_is(tmp_path: Path) -> None:
    table = find_table("2m-ner", "5")
    (whole, *_) = reproduce(request("2m-ner", "5", Setup("smoke"), tmp_path), StubRunner(table).kinds)
    before = whole.read_text()
    part, *_ = reproduce(request("2m-ner", "5", Setup("smoke"), tmp_path, only="UMT", dataset="en"), {})
    assert part.name == "2m-ner-5-UMT-en-smoke.md" and whole.read_text() == before
    assert "--table 5 --scale smoke --only UMT --dataset en" in part.read_text()
    assert part.read_text().count("| UMT | published |") == 1 and "BERT" not in part.read_text()


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
    assert request("2m-ner", "8", Setup("full"), Path("x")).seeds == (1, 2)  # two runs a fold, as the paper's
    assert request("2m-ner", "8", Setup("smoke"), Path("x")).seeds == (1,)
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


def test_a_table_is_run_on_the_data_of_the_paper_unless_others_are_asked_for() -> None:
    def datasets(dataset: str | None) -> set[str]:
        return {
            spec.dataset for spec in request("2m-ner", "9", Setup("smoke"), Path("x"), dataset=dataset).table.specs
        }

    assert datasets(None) == {"all"} and datasets("en") == {"en"}


def test_the_outline_of_full_scale_estimates_what_is_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request("mlm", "4", Setup("full", str(tmp_path / "data")), tmp_path, [1])
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(command, "estimate", lambda jobs: [f"{len(jobs)} to estimate"])
    assert outline(asked)[-1] == "4 to estimate"
    reproduce(asked, StubRunner(asked.table).kinds)
    assert all(line.startswith("finished") for line in outline(asked))
