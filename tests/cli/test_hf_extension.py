"""``hf mlm …``: the console script as an extension of the Hub's own command line."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import hf_mlm


extensions = pytest.importorskip("huggingface_hub.cli.extensions")


def test_hf_runs_the_console_script(tmp_path: Path) -> None:
    scripts = Path(sys.executable).parent
    if not (scripts / "hf-mlm").is_file() or not (scripts / "hf").is_file():
        pytest.skip("hf-mlm is not installed beside hf")
    manifest = extensions.ExtensionManifest(
        owner="someone",
        repo="hf-mlm",
        repo_id="someone/hf-mlm",
        short_name="mlm",
        executable_path=str(scripts / "hf-mlm"),
        type="python",
        installed_at=datetime.now(UTC),
    )
    root = Path(str(extensions.EXTENSIONS_ROOT).replace("~", str(tmp_path)))
    manifest.save(root / "hf-mlm")
    env = {**os.environ, "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run([scripts / "hf", "mlm", "--version"], env=env, capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == f"hf-mlm {hf_mlm.__version__}", run.stderr
