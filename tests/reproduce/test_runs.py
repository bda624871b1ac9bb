from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import hf_mlm
from hf_mlm.reproduce import runs
from hf_mlm.reproduce.catalog import find_table
from hf_mlm.reproduce.experiments import CountSpec, TaggerSpec
from hf_mlm.reproduce.runs import (
    BATCH,
    GENERATED,
    MAKERS,
    RESULT,
    Job,
    Outcome,
    code_fingerprint,
    fingerprint,
    finished,
    from_main_process,
    outdated,
    plan,
    share_batch,
    work,
)
from hf_mlm.reproduce.scales import Setup
from tests.reproduce.stub import StubRunner


PACKAGE = Path(hf_mlm.__file__).parent


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a copy of the package."""
    shutil.copytree(PACKAGE, tmp_path / "hf_mlm", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def code(root: Path) -> str:
    code_fingerprint.cache_clear()
    return code_fingerprint(root)


def test_the_same_code_elsewhere_has_the_same_fingerprint(root: Path) -> None:
    models = root / "hf_mlm" / "models"
    (models / "__pycache__").mkdir()
    (models / "__pycache__" / "crf.pyc").write_bytes(b"x")
    os.utime(models / "layers" / "crf.py", (0, 0))
    assert code(root) == code(PACKAGE.parent)


@pytest.mark.parametrize(
    ("path", "decides"),
    [
        ("models/layers/crf.py", True),
        ("training/recipes/irle.yaml", True),
        ("reproduce/scales.py", True),
        ("reproduce/tables.py", False),
        ("cli/main.py", False),
    ],
)
def test_an_edit_of_what_decides_metrics_is_told(root: Path, path: str, decides: bool) -> None:
    before = code(root)
    with (root / "hf_mlm" / path).open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    assert (code(root) != before) == decides


def test_a_module_that_is_renamed_is_told(root: Path) -> None:
    before = code(root)
    (root / "hf_mlm/geo/s2.py").rename(root / "hf_mlm/geo/s3.py")
    assert code(root) != before


@pytest.mark.parametrize("maker", MAKERS)
def test_a_source_that_is_not_there_is_refused(root: Path, maker: str) -> None:
    place = root.joinpath(*maker.split("."))
    shutil.rmtree(place) if place.is_dir() else place.with_suffix(".py").unlink()
    with pytest.raises(FileNotFoundError, match=f"{place.name}.py"):
        code(root)


TABLE = find_table("2m-ner", "9")
JOB = Job(TaggerSpec("BERT", "en"), 1, Setup("full", "here"), "abc")


def test_each_thing_that_decides_a_result_changes_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [
        replace(JOB, seed=2),
        replace(JOB, spec=TaggerSpec("BERT", "fr")),
        replace(JOB, fingerprint="abd"),
        replace(JOB, setup=Setup("smoke", "here")),
        replace(JOB, setup=Setup("full", "here", {"text_encoder": "x"})),
        replace(JOB, setup=Setup("full", "here", overrides={"bf16": True})),
    ]
    assert len({JOB.name, *(job.name for job in others)}) == len({JOB.stem, *(job.stem for job in others)}) == 7
    name, stem = JOB.name, JOB.stem
    for owner, attribute, value in ((hf_mlm, "__version__", "99"), (runs, "code_fingerprint", lambda: "edited")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, attribute, value)
            assert JOB.name != name and JOB.stem == stem


def test_data_that_moved_are_the_same_data() -> None:
    assert replace(JOB, setup=Setup("full", "elsewhere")).name == JOB.name


def test_processes_count_where_the_user_has_set_the_batch_of_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = replace(JOB, setup=Setup("full", "here", overrides={"per_device_train_batch_size": 8}))
    alone, shared = own.name, JOB.name
    monkeypatch.setattr(runs, "processes", lambda: SimpleNamespace(num_processes=2))
    assert own.name != alone and JOB.name == shared  # a batch of the papers is divided among the processes


def test_the_name_can_be_read_and_is_the_same_in_every_process() -> None:
    one, other = (Job(CountSpec("mlm", "irle"), 0, Setup("full"), "x") for _ in range(2))
    assert one.name == other.name and re.fullmatch(r"bert-en-seed1-[0-9a-f]{12}-[0-9a-f]{12}", JOB.name)


def test_runs_of_other_code_are_told_apart_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    longer = replace(JOB, spec=TaggerSpec("BERT", "en", text_only=True))
    runner = {"tagger": lambda job, folder: Outcome({"test_f1": 0.5})}
    list(work([JOB], tmp_path, runner))
    assert not outdated(JOB, tmp_path) and not outdated(longer, tmp_path)
    monkeypatch.setattr(runs, "code_fingerprint", lambda: "edited")
    assert finished(JOB, tmp_path) is None and outdated(JOB, tmp_path) and not outdated(longer, tmp_path)
    list(work([JOB], tmp_path, runner))
    assert finished(JOB, tmp_path) is not None and not outdated(JOB, tmp_path)
    assert len(list(tmp_path.glob("*/result.json"))) == 2


def test_plan_goes_seed_by_seed_and_counts_once() -> None:
    jobs = plan([TaggerSpec("BERT", "en"), CountSpec("2m-ner", "en")], [1, 2], Setup("full"), "x")
    assert [(job.spec.kind, job.seed) for job in jobs] == [("count", 0), ("tagger", 1), ("tagger", 2)]


def test_an_interrupted_table_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    jobs = plan(TABLE.specs, [1], Setup("smoke"), "x")
    first, second = StubRunner(TABLE, fails_at=4), StubRunner(TABLE)
    with pytest.raises(KeyboardInterrupt):
        list(work(jobs, tmp_path, first.kinds))
    assert sum(finished(job, tmp_path) is not None for job in jobs) == 3
    done = list(work(jobs, tmp_path, second.kinds))
    assert [job for job, _ in done] == jobs
    assert second.asked == [(job.spec, job.seed) for job in jobs[3:]]  # the one that was interrupted, and the rest
    third = StubRunner(TABLE, fails_at=1)
    assert [outcome for _, outcome in work(jobs, tmp_path, third.kinds)] == [outcome for _, outcome in done]
    assert third.asked == []


HOLD = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    sys.stdout.write("held")
    sys.stdout.flush()
    sys.stdin.read()
"""


def test_a_run_is_done_by_one_command_at_a_time(tmp_path: Path) -> None:
    place = tmp_path / JOB.name
    place.mkdir()
    words = [sys.executable, "-c", HOLD, str(place / ".lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.read(4) == b"held"
        with pytest.raises(BlockingIOError, match="Expected to reproduce alone in .*found another process"):
            list(work([JOB], tmp_path, {"tagger": lambda job, folder: pytest.fail("two are at work")}))
        other.kill()
    ((_, outcome),) = work([JOB], tmp_path, {"tagger": lambda job, folder: Outcome({"test_f1": 0.5})})
    assert outcome.metrics == {"test_f1": 0.5}  # nothing is left of one that was killed


def test_what_another_command_has_finished_meanwhile_is_taken(tmp_path: Path) -> None:
    jobs = plan(TABLE.specs[:2], [1], Setup("smoke"), "x")

    def run(job: Job, folder: Path) -> Outcome:
        list(work(jobs[1:], tmp_path, {"tagger": lambda job, folder: Outcome({"test_f1": 0.75})}))
        return Outcome({"test_f1": 0.25})

    assert [outcome.metrics["test_f1"] for _, outcome in work(jobs, tmp_path, {"tagger": run})] == [0.25, 0.75]


def test_a_result_tells_all_that_led_to_it(tmp_path: Path) -> None:
    list(work([JOB], tmp_path, {"tagger": lambda job, folder: Outcome({"test_f1": 0.5}, [[1, 2, 3]], 2.0)}))
    told = json.loads((tmp_path / JOB.name / RESULT).read_text())
    assert told["spec"] == {"kind": "tagger", "model": "BERT", "dataset": "en"}
    assert (told["seed"], told["data"], told["version"]) == (1, "abc", hf_mlm.__version__)
    assert told["code"] == runs.code_fingerprint()
    assert finished(JOB, tmp_path) == Outcome({"test_f1": 0.5}, [[1, 2, 3]], 2.0)


def test_what_a_run_prints_is_kept_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def talk(job: Job, folder: Path) -> Outcome:
        sys.stdout.write("{'loss': 1.0}\n")
        return Outcome({})

    list(work([JOB], tmp_path, {"tagger": talk}))
    assert (tmp_path / JOB.name / "log.txt").read_text() == "{'loss': 1.0}\n" and capsys.readouterr().out == ""


def test_a_damaged_result_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / JOB.name).mkdir()
    (tmp_path / JOB.name / RESULT).write_text('{"metrics": ')
    with pytest.raises(ValueError, match=r"result\.json is damaged .*: remove it, and the run is done again\."):
        finished(JOB, tmp_path)


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if four processes had been started."""
    monkeypatch.setattr(runs, "processes", lambda: SimpleNamespace(num_processes=4))


def test_one_process_has_the_whole_batch() -> None:
    assert share_batch({BATCH: 16, "seed": 1}, {}) == {BATCH: 16, "seed": 1}


@pytest.mark.usefixtures("four")
def test_a_step_sees_as_many_rows_whatever_the_processes() -> None:
    settings = {BATCH: 16, "per_device_eval_batch_size": 64}
    assert share_batch(settings, {"bf16": True}) == {BATCH: 4, "per_device_eval_batch_size": 64}
    assert settings[BATCH] == 16 and share_batch({"seed": 1}, {}) == {"seed": 1}


@pytest.mark.usefixtures("four")
def test_a_batch_that_the_user_has_set_stays() -> None:
    assert share_batch({BATCH: 30}, {BATCH: 30}) == {BATCH: 30}


@pytest.mark.usefixtures("four")
def test_unequal_shares_get_a_sentence() -> None:
    with pytest.raises(ValueError, match=f"^4 processes cannot share a batch of 30 rows: .* --override {BATCH}=N.$"):
        share_batch({BATCH: 30}, {})


def test_one_process_answers_itself() -> None:
    assert from_main_process(lambda: {"finished": True}) == {"finished": True}


def folder(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_fingerprint_tells_contents_and_names_and_not_places(tmp_path: Path) -> None:
    first = folder(tmp_path / "a", train="x", sub__test="y")
    same = folder(tmp_path / "b", sub__test="y", train="x")
    others = [
        folder(tmp_path / "c", train="x", sub__test="z"),
        folder(tmp_path / "d", train="x", test="y"),
        folder(tmp_path / "e", train="x"),
    ]
    assert fingerprint(first) == fingerprint(same)
    assert len({fingerprint(path) for path in (first, *others)}) == 4
    assert fingerprint(None) == GENERATED


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="'nowhere' is not a folder; give the folder that holds the dataset"):
        fingerprint("nowhere")
