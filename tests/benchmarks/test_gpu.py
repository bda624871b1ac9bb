"""The script for accelerators, at tiny sizes on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def test_every_part_is_timed_and_written(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), "--tiny", "--output", str(tmp_path / "gpu.json")], check=True)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["crf"]["ours, 4 x 8"]["loss"] > 0 and found["irle"]["epoch of 175,000"] > 0
    assert found["two_mner"]["step"] > found["two_mner"]["encoder"] > 0
