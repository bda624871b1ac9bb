from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datasets import Dataset, DatasetDict
from torch import nn

from hf_mlm.runs.results import Run, finish


@pytest.mark.parametrize(("first", "pushes"), [(True, True), (True, False), (False, True)])
def test_the_first_process_writes_and_all_of_them_push(first: bool, pushes: bool, tmp_path: Path) -> None:
    pushed: list[list[str]] = []
    trainer: Any = SimpleNamespace(
        model=nn.Linear(2, 1),
        args=SimpleNamespace(output_dir=str(tmp_path), world_size=2, push_to_hub=pushes),
        is_world_process_zero=lambda: first,
        push_to_hub=lambda: pushed.append(sorted(path.name for path in tmp_path.iterdir())),
    )
    rows = Dataset.from_dict({"tokens": [["a"], ["b"]]})
    finish(Run(trainer, DatasetDict(test=rows), {"test_f1": 0.5}), "mmnerd", "en+de")
    written = ["all_results.json", "provenance.json"] if first else []
    assert pushed == ([written] if pushes else [])  # figures are there before the card is written from them
    assert sorted(path.name for path in tmp_path.iterdir()) == written
    if first:
        assert json.loads((tmp_path / "all_results.json").read_text()) == {"test_f1": 0.5}
        found = json.loads((tmp_path / "provenance.json").read_text())
        assert (found["dataset"]["config"], found["parameters"]) == ("en+de", 3)
