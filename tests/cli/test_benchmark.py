"""The command's words: what it lists, refuses and writes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hf_mlm.benchmarks import harness
from hf_mlm.benchmarks.harness import BENCHMARKS
from hf_mlm.cli.main import main


def run(*words: str) -> None:
    """Typer leaves with SystemExit(0) when all is well."""
    with pytest.raises(SystemExit) as left:
        main(["benchmark", *words])
    assert left.value.code == 0


def test_without_a_path_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    run()
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name in BENCHMARKS)


def test_a_run_is_printed_and_written_as_markdown_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("nt-xent", "--sizes", "2", "--repeats", "1", "--output", str(tmp_path / "out" / "speed.md"))
    written = (tmp_path / "out" / "speed.md").read_text()
    assert written.startswith("## NT-Xent") and written.strip() in capsys.readouterr().out
    (figures,) = json.loads((tmp_path / "out" / "speed.json").read_text())
    assert figures["path"] == "nt-xent" and figures["rows"][0]["peer"] == "pairwise cosines"


def test_a_path_that_fails_is_named_and_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = {name: BENCHMARKS[name] for name in ("s2", "nt-xent", "import")}
    monkeypatch.setattr(harness, "BENCHMARKS", chosen)
    output, written = tmp_path / "speed.md", []

    def child(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        """Write what the command would, but let the second path be killed."""
        written.append(output.exists() and output.read_text())
        name, file = command[4], Path(command[-1])
        if name == "nt-xent":
            return subprocess.CompletedProcess(command, -9, stderr="loading\nout of memory\n")
        file.write_text(f"## {name}\n")
        file.with_suffix(".json").write_text(f'[{{"path": "{name}"}}]')
        return subprocess.CompletedProcess(command, 0, stderr="")

    monkeypatch.setattr(subprocess, "run", child)
    with pytest.raises(SystemExit) as left:
        main(["benchmark", "all", "--output", str(output)])
    assert left.value.code == 1
    assert "1 of 3 paths failed: nt-xent" in capsys.readouterr().err
    assert written[1] == "## s2\n"  # there before the second began
    text, figures = output.read_text(), json.loads(output.with_suffix(".json").read_text())
    assert "Failed: out of memory (exit status -9)" in text and text.endswith("## import\n")
    assert [each["path"] for each in figures] == list(chosen) and "failed" in figures[1]


def test_profiles_are_pictures(tmp_path: Path) -> None:
    run("nt-xent", "--profile", str(tmp_path))
    assert (tmp_path / "profile-nt-xent.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nonsense"], "there is no path 'nonsense' to measure; choose one of all, crf,"),
        (["crf", "--sizes", "4,x"], "--sizes '4,x' must be positive whole numbers"),
        (["all", "--sizes", "4"], "--sizes count something else for every path"),
        (["nt-xent", "--output", "speed.json"], "--output speed.json must be a file of Markdown, such as speed.md;"),
        (["import", "--sizes", "4"], "the path 'import' has no sizes: leave --sizes out."),
        (["nt-xent", "--output", "."], "--output . must be a file of Markdown"),
    ],
)
def test_bad_words_get_a_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["benchmark", *words])
    assert sentence in capsys.readouterr().err
