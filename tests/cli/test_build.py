"""``hf-mlm build mmnerd``: from captions to a split with kappa, and back from mistakes."""

import json
import os
import re
import signal
from itertools import cycle
from pathlib import Path

import pytest
from datasets import load_dataset

from hf_mlm.cli import main  # noqa: E402


pytest.importorskip("datatrove")


WORDS = ("amber", "birch", "cedar", "dusky", "early", "fresh", "green", "happy", "ivory", "jolly")
EDITION = """\
sources: [{kind: captions, path: captions.tsv, language: en, name: web}]
annotators: {en: {rules: rules.yaml}}
"""


@pytest.fixture
def edition(tmp_path: Path) -> Path:
    lines = [f"https://example.org/{n}.jpg\tUNESCO {word} day in New York" for n, word in enumerate(WORDS)]
    (tmp_path / "captions.tsv").write_text("\n".join(lines))
    (tmp_path / "rules.yaml").write_text("names: {New York: GPE, UNESCO: ORG}")
    (tmp_path / "edition.yaml").write_text(EDITION)
    return tmp_path / "edition.yaml"


def run(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["build", "mmnerd", *map(str, words)])
    captured = capsys.readouterr()
    assert ended.value.code in (0, 1), captured.err
    return captured.out + captured.err


def answer(tasks: Path, path: Path, forget_every: int = 0) -> Path:
    """Accept the proposals, but overlook the last entity now and then."""
    lines = []
    for number, line in enumerate(tasks.read_text().splitlines()):
        task = json.loads(line) | {"answer": "accept"}
        if forget_every and number % forget_every == 0:
            task["spans"] = task["spans"][:-1]
        lines.append(json.dumps(task))
    path.write_text("\n".join(lines))
    return path


def test_from_captions_to_a_split(edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build, edited, prodigy = tmp_path / "build", ("--edition", edition), ("--tool", "prodigy")
    assert re.search(r"proposals +│ +10 ", run(capsys, "draft", build, *edited, "--tasks", 1))
    assert "ben: 10" in run(capsys, "tasks", build, *edited, "--annotator", "anna", "--annotator", "ben", *prodigy)
    anna = answer(build / "tasks" / "anna.jsonl", tmp_path / "anna.jsonl")
    ben = answer(build / "tasks" / "ben.jsonl", tmp_path / "ben.jsonl", forget_every=3)
    people = (f"anna={anna}", f"ben={ben}", *prodigy)
    assert "6 sentences decided, 4 open" in run(capsys, "agree", build, *people)
    assert "4 sentences are open and left out" in run(capsys, "dataset", build, *edited)
    inspector = answer(build / "tasks" / "inspector.jsonl", tmp_path / "inspector.jsonl")
    assert "10 sentences decided, 0 open" in run(capsys, "agree", build, *people, "--inspector", inspector)
    figures = json.loads((build / "agreement.json").read_text())
    assert 0.7 < figures["kappa"] < 1 and figures["kappa_entities"] < figures["kappa"]
    assert figures["span_f1"] == pytest.approx(2 * 16 / 36)
    log = [json.loads(line) for line in (build / "adjudication.jsonl").read_text().splitlines()]
    assert [one["how"] for one in log].count("inspected") == 4
    told = run(capsys, "dataset", build, *edited, "--image_dir", tmp_path)
    assert f'image_dir="{tmp_path}")' in told and "open and left out" not in told
    assert 'load_dataset("mmnerd", "en"' in told and "Card, Croissant" in told
    assert "kappa of" in (build / "dataset" / "README.md").read_text()
    by_card = load_dataset(str(build / "dataset"), "en", cache_dir=str(tmp_path / "cache"))
    rows = load_dataset("mmnerd", "en", data_dir=str(build / "dataset"))
    assert {split: len(part) for split, part in rows.items()} == {"train": 8, "validation": 1, "test": 1}
    assert set(rows["train"]["source"]) == {"web"}
    assert {split: part["tokens"] for split, part in by_card.items()} == {
        split: part["tokens"] for split, part in rows.items()
    }
    images = load_dataset(str(build / "dataset"), "image_sources", cache_dir=str(tmp_path / "cache"))["image_sources"]
    assert set(images["url"]) == {f"https://example.org/{n}.jpg" for n in range(10)}
    run(capsys, "audit", build, "--size", 4)
    sheet = (build / "audit.tsv").read_text().splitlines()
    (build / "audit.tsv").write_text("\n".join([sheet[0], *(f"{line}yes" for line in sheet[1:])]))
    assert "8 of 8 entities right" in run(capsys, "audit", build, "--verdicts", build / "audit.tsv")
    run(capsys, "round", build, 1, "--annotator", "ben", "--size", 5, *prodigy)
    trained = answer(build / "tasks" / "round-1-ben.jsonl", tmp_path / "round.jsonl", forget_every=5)
    out = run(capsys, "round", build, 1, f"ben={trained}", "--reference", build / "gold.jsonl", *prodigy)
    assert "ben: accuracy 0.900" in out and json.loads((build / "rounds.json").read_text())[0]["right"] == 9


def test_mistakes(edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build = tmp_path / "build"
    assert "Expected decided sentences" in run(capsys, "dataset", build, "--edition", edition)
    assert "Expected a finished stage" in run(
        capsys, "tasks", build, "--edition", edition, "--annotator", "a", "--annotator", "b"
    )
    assert "found no file" in run(capsys, "draft", build, "--edition", tmp_path / "none.yaml")
    assert "Expected NAME=FILE" in run(capsys, "agree", build, "anna.jsonl")
    assert "Expected --annotator to write tasks" in run(capsys, "round", build, 1)


def test_wherever_it_is_killed_it_goes_on(edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [("draft", "--edition", edition, "--tasks", 2), ("dataset", "--edition", edition, "--proposals")]
    kills = 0
    for command, *words in steps:
        run(capsys, command, tmp_path / "whole", *words)
        for files in cycle((3, 2, 4)):  # another file is the last each time
            if not _killed_after(files + kills, command, tmp_path / "killed", *words):
                break
            kills += 1
    assert kills > 4 and _contents(tmp_path / "killed") == _contents(tmp_path / "whole")


def _killed_after(files: int, *words: object) -> bool:
    """Run in a process group of its own that kills itself when so many files are whole and one more is written."""
    child = os.fork()
    if not child:
        os.setsid()
        replace, left = os.replace, iter(range(files))

        def dying(*paths: Path) -> None:
            if next(left, None) is None:
                os.killpg(0, signal.SIGKILL)
            replace(*paths)

        os.replace = dying
        try:
            main(["build", "mmnerd", *map(str, words)])
        except SystemExit as ended:
            os._exit(int(ended.code or 0))
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status == signal.SIGKILL


def _contents(folder: Path) -> dict[str, bytes]:
    """Every file but logs; of what a killed run has left half-written there is nothing below the build's folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and "logs" not in path.relative_to(folder).parts]
    files = [path for path in files if path.parent != folder or path.suffix != ".part"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


pytest.importorskip("datatrove")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--contact", "nobody"], "whom they can write to"),
        (["--contact", "me@example.org", "--dump", "missing.json"], "found no missing.json"),
        (
            ["--contact", "me@example.org", "--dump", "a.json", "--endpoint", "http://x"],
            "Expected --dump or --endpoint, found both",
        ),
        (["--contact", "me@example.org", "--executor", "spark"], "local, slurm, ray, found"),
        (["--contact", "me@example.org", "--language", "en", "--language", "en"], "none twice"),
    ],
)
def test_build_mistakes(words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["build", "mlm", str(tmp_path / "target"), *words])
    assert stopped.value.code == 1 and sentence in capsys.readouterr().err
    assert not (tmp_path / "target").exists()
