from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_mlm.cli import main
from hf_mlm.metrics.functional.bootstrap import paired_bootstrap


def write(folder: Path, counts: dict[str, list[int]]) -> str:
    folder.mkdir()
    content = {"ids": list(counts), "counts": list(counts.values())}
    (folder / "counts_test.json").write_text(json.dumps(content))
    return str(folder)


def test_seeds_are_summed_and_sentences_paired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = [write(tmp_path / f"good{seed}", {f"s{n}": [2, 2, 2] for n in range(40)}) for seed in range(2)]
    bad = [write(tmp_path / f"bad{seed}", {f"s{n}": [1, 2, 2] for n in reversed(range(40))}) for seed in range(2)]
    words = ["--runs", good[0], "--runs", good[1], "--against", bad[0], "--against", bad[1], "--resamples", "100"]
    with pytest.raises(SystemExit, match="0"):
        main(["compare", *words])
    expected = paired_bootstrap([[4, 4, 4]] * 40, [[2, 4, 4]] * 40, resamples=100)
    assert expected["difference"] == 0.5
    assert f"+50.00 points of F1 on 40 sentences, 95 % interval +50.00 to +50.00, p = {expected['p_value']:.4f}" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--runs", "nowhere", "--against", "a"], "nowhere has no counts_test.json: name the output folder"),
        (["--runs", "a", "--runs", "b", "--against", "a"], "--runs names 2 folders and --against 1"),
        (["--runs", "a", "--against", "b"], "scored on other sentences: 1 here and 1 there, 0 of them the same"),
        (["--runs", "broken", "--against", "a"], "is not what a training writes"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a", {"one": [1, 1, 1]})
    write(tmp_path / "b", {"two": [1, 1, 1]})
    write(tmp_path / "broken", {})
    (tmp_path / "broken" / "counts_test.json").write_text('{"ids": 3}')
    with pytest.raises(SystemExit, match="1"):
        main(["compare", *words])
    assert message in capsys.readouterr().err
