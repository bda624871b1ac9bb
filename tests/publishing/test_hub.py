from __future__ import annotations

from pathlib import Path

from datasets import load_dataset

import hf_mlm  # noqa: F401, registers mlm
from hf_mlm.cli import main


SCRIPTS = Path(__file__).parent.parent.parent / "dataset_scripts"


def test_a_dry_run_writes_a_folder_that_loads_without_code(raw_folder: Path, tmp_path: Path) -> None:
    words = ["push", "dataset", "mlm", "mlm", "--data_dir", str(raw_folder), "--licence", "CC-BY-4.0"]
    try:
        main([*words, "--dry_run", str(tmp_path / "repository")])
    except SystemExit as ended:
        assert not ended.code
    here = load_dataset("mlm", "mlm", data_dir=str(raw_folder))
    there = load_dataset(str(tmp_path / "repository"), "mlm")
    assert {split: rows["entity_id"][:] for split, rows in there.items()} == {
        split: rows["entity_id"][:] for split, rows in here.items()
    }
    assert there["train"].features == here["train"].features
    assert {path.name for path in (tmp_path / "repository").iterdir()} == {"README.md", "mlm"}
    assert str(tmp_path) not in (tmp_path / "repository" / "README.md").read_text()


def test_no_script_stands_in_the_way_of_parquet() -> None:
    assert not (SCRIPTS / "mlm" / "mlm.py").exists()
    assert not (SCRIPTS / "mmnerd" / "mmnerd.py").exists()
