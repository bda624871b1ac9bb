"""The page on pipelines runs as it stands, from top to bottom."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (REPOSITORY / "docs" / "pipelines.md").read_text(encoding="utf-8")
    blocks, names = re.findall(r"```python\n(.*?)```", page, re.DOTALL), {}
    for block in blocks:
        exec(compile(block, "docs/pipelines.md", "exec"), names)
    assert len(names["found"]["cells"]) == len(names["several"]) == len(names["images_of_texts"]) == 2
    assert json.loads((tmp_path / "estimate.geojson").read_text())["type"] == "FeatureCollection"
    assert isinstance(names["with_images"], list)
