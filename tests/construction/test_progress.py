"""What a terminal shows of a build: finished tasks by their manifests, the executors' messages in a file."""

import os
import time
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console  # noqa: E402

from hf_mlm.construction.manifest import Ledger, OutputFile, StageManifest  # noqa: E402
from hf_mlm.construction.progress import shown_progress, summary_table  # noqa: E402
from hf_mlm.construction.stage import Stage  # noqa: E402


pytest.importorskip("datatrove")


def test_finished_tasks_are_shown_and_messages_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stages = [Stage(tmp_path / name, [], pa.schema({}), 2) for name in ("places", "names")]
    with shown_progress(stages, tmp_path / "logs"):
        os.write(2, b"a message of an executor\n")
        for task in range(2):
            (tmp_path / "places").mkdir(exist_ok=True)
            (tmp_path / "places" / f"0000{task}.json").touch()
        time.sleep(0.05)
    shown = capfd.readouterr().err
    assert "2/2" in shown and "0/2" in shown and "a message" not in shown
    assert "a message of an executor" in (tmp_path / "logs" / "build.log").read_text()
    os.write(2, b"after")
    assert "after" in capfd.readouterr().err


def test_table() -> None:
    ledger = Ledger()
    ledger.dropped["no image"] = 1234
    manifest = StageManifest.of_task("places", [OutputFile("a", 1, 5678, "b")], ledger)
    console = Console(width=80, record=True, file=StringIO())
    console.print(summary_table({"places": manifest}))
    assert "places" in (text := console.export_text()) and "5,678" in text and "1,234 no image" in text
