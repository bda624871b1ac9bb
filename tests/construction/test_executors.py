"""Executors: one worker, two workers, Ray and Slurm's submission scripts give the same output; progress is shown."""

from __future__ import annotations

import os
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console  # noqa: E402

from hf_mlm.construction.executors import (
    POLITE_TASKS,
    ExecutorSettings,
    _mapper,
    check_record,
    run_stages,
    shown_progress,
    summary_table,
)
from hf_mlm.construction.mlm.build import BuildConfig, DumpSource
from hf_mlm.construction.mlm.dataset import Folders
from hf_mlm.construction.stage import MANIFEST, Ledger, OutputFile, Stage, StageManifest


TASKS = 3


def stages(root: Path, dump: Path) -> list[Stage]:
    return DumpSource.of([dump]).stages(Folders(root), BuildConfig(), TASKS)


def hashes(listed: list[Stage]) -> dict[str, str]:
    return {stage.name: StageManifest.load(stage.folder / MANIFEST).sha256 for stage in listed}


@pytest.fixture
def expected(tmp_path: Path, dump: Path) -> dict[str, str]:
    alone = stages(tmp_path / "alone", dump)
    run_stages(alone, tmp_path / "alone" / "logs", ExecutorSettings())
    return hashes(alone)


@pytest.mark.heavy
def test_two_workers_give_what_one_gives(expected: dict[str, str], tmp_path: Path, dump: Path) -> None:
    together = stages(tmp_path / "together", dump)
    run_stages(together, tmp_path / "together" / "logs", ExecutorSettings(workers=2))
    assert hashes(together) == expected


@pytest.mark.heavy
def test_ray_gives_what_one_worker_gives(
    expected: dict[str, str], tmp_path: Path, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    )
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=10**8, _memory=2 * 10**9)
    try:
        by_ray = stages(tmp_path / "ray", dump)[:3]  # a stage takes Ray seconds to start
        settings = ExecutorSettings("ray", workers=2, options={"mem_per_cpu_gb": 0.2})
        run_stages(by_ray, tmp_path / "ray" / "logs", settings)
        assert hashes(by_ray) == {stage.name: expected[stage.name] for stage in by_ray}
    finally:
        ray.shutdown()


def test_slurm_up_to_the_submission(tmp_path: Path, dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs, submitted = tmp_path / "bin", tmp_path / "submitted"
    programs.mkdir()
    submitted.mkdir()
    sbatch = programs / "sbatch"
    count = f'number=$(($(ls {submitted} | wc -l) + 1))\necho "$@" > {submitted}/$number\n'
    sbatch.write_text(
        f'#!/bin/bash\n{count}cat "${{@: -1}}" >> {submitted}/$number\necho Submitted batch job $number\n'
    )
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    settings = ExecutorSettings("slurm", workers=2, options={"time": "02:00:00", "partition": "cpu", "qos": ""})
    run_stages(stages(tmp_path / "slurm", dump), tmp_path / "slurm" / "logs", settings)
    jobs = [(submitted / str(number)).read_text() for number in range(1, 1 + len(list(submitted.iterdir())))]
    work = [job for job in jobs if "launch_pickled_pipeline" in job]
    names = [line.partition("=")[2] for job in work for line in job.splitlines() if "--job-name" in line]
    assert names == [f"{name}{end}" for name in ("items", "classes", "entities", "names") for end in ("", "-seal")]
    assert "--array=0-2%2" in work[0] and "--partition=cpu" in work[0] and "--dependency" not in work[0]
    numbers = [jobs.index(job) + 1 for job in work]
    for job, before in zip(work[1:], numbers, strict=False):
        assert f"--dependency=afterok:{before}" in job.splitlines()[0]


def test_few_tasks_at_once_ask_a_public_service(tmp_path: Path, dump: Path) -> None:
    stage = stages(tmp_path, dump)[0]
    polite = Stage(stage.folder, stage.blocks, stage.schema, tasks=20, polite=True)
    wide = ExecutorSettings(workers=16)
    assert _mapper(polite, tmp_path, wide).workers == POLITE_TASKS == 3
    assert _mapper(Stage(stage.folder, stage.blocks, stage.schema, tasks=20), tmp_path, wide).workers == 16


@pytest.mark.parametrize("wrong", [{"kind": "spark"}, {"workers": 0}])
def test_wrong_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="found 'spark'|found workers=0"):
        ExecutorSettings(**wrong)


def test_options_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "slurm.yaml"
    path.write_text('time: "12:00:00"\npartition: cpu\n')
    settings = ExecutorSettings.load("slurm", 4, path)
    assert settings == ExecutorSettings("slurm", 4, {"time": "12:00:00", "partition": "cpu"})
    assert ExecutorSettings.load("local", 1, None) == ExecutorSettings()
    path.write_text("- cpu")
    with pytest.raises(ValueError, match="'partition: cpu' in .*slurm.yaml, found .'cpu'"):
        ExecutorSettings.load("slurm", 4, path)
    with pytest.raises(FileNotFoundError, match="found no file .*none.yaml"):
        ExecutorSettings.load("slurm", 4, tmp_path / "none.yaml")


def test_a_folder_is_for_one_build(tmp_path: Path) -> None:
    path = tmp_path / "build.json"
    check_record(path, {"tasks": 2, "edition": {"seed": 0}})
    written = path.read_bytes()
    check_record(path, {"tasks": 2, "edition": {"seed": 0}})
    assert path.read_bytes() == written
    with pytest.raises(
        ValueError, match=r"the same build config, dump, found another in .*, see build.json; give an empty folder"
    ):
        check_record(path, {"tasks": 2, "edition": {"seed": 1}, "dump": "a"})
    path.write_text("{half")
    with pytest.raises(ValueError, match="the same tasks, found another"):
        check_record(path, {"tasks": 2})


pytest.importorskip("datatrove")


def test_finished_tasks_are_shown_and_messages_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stages = [Stage(tmp_path / name, [], pa.schema({}), 2) for name in ("entities", "names")]
    with shown_progress(stages, tmp_path / "logs"):
        os.write(2, b"a message of an executor\n")
        for task in range(2):
            (tmp_path / "entities").mkdir(exist_ok=True)
            (tmp_path / "entities" / f"0000{task}.json").touch()
        time.sleep(0.05)
    shown = capfd.readouterr().err
    assert "2/2" in shown and "0/2" in shown and "a message" not in shown
    assert "a message of an executor" in (tmp_path / "logs" / "build.log").read_text()
    os.write(2, b"after")
    assert "after" in capfd.readouterr().err


def test_table() -> None:
    ledger = Ledger()
    ledger.dropped["no image"] = 1234
    manifest = StageManifest.of_task("entities", [OutputFile("a", 1, 5678, "b")], ledger)
    console = Console(width=80, record=True, file=StringIO())
    console.print(summary_table({"entities": manifest}))
    assert "entities" in (text := console.export_text()) and "5,678" in text and "1,234 no image" in text
