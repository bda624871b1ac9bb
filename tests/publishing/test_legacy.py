"""The loading scripts for ``datasets`` before version 4, run by an interpreter that has 3.6: HF_MLM_LEGACY_PYTHON.

python -m venv legacy && legacy/bin/pip install datasets==3.6.0 pillow
HF_MLM_LEGACY_PYTHON=legacy/bin/python pytest tests/publishing/test_legacy.py
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from datasets import load_dataset

from hf_mlm.publishing.datasets import push_dataset


LEGACY = os.environ.get("HF_MLM_LEGACY_PYTHON")
SCRIPTS = Path(__file__).parent.parent.parent / "dataset_scripts" / "legacy"
LOAD = """
import json, sys
from datasets import load_dataset
script, config, folder = sys.argv[1:]
found = {}
for streaming in (False, True):
    rows = load_dataset(script, config, data_dir=folder, split="train", streaming=streaming, trust_remote_code=True)
    found[str(streaming)] = [[row["entity_id"], row["geo_cell"], row["images"][0].getpixel((0, 0))] for row in rows]
found["cells"] = rows.features["geo_cell"].names
print(json.dumps(found))
"""


@pytest.mark.real
@pytest.mark.skipif(LEGACY is None, reason="no datasets 3.6: set HF_MLM_LEGACY_PYTHON to an interpreter that has it")
def test_rows_are_the_same_as_those_of_today(raw_folder: Path, tmp_path: Path) -> None:
    options = {"data_dir": str(raw_folder), "min_entities": 1, "max_entities": 30}
    push_dataset("mlm", "irle", licence="cc-by-4.0", dry_run=tmp_path / "repository", **options)
    words = [str(LEGACY), "-c", LOAD, str(SCRIPTS / "mlm"), "irle", str(tmp_path / "repository")]
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    here = load_dataset(str(tmp_path / "repository"), "irle", split="train")
    rows = [[row["entity_id"], row["geo_cell"], list(row["images"][0].getpixel((0, 0)))] for row in here]
    assert found["False"] == found["True"] == rows
    assert found["cells"] == here.features["geo_cell"].names
