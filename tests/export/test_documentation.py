"""The Python of the page on ONNX runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.real, pytest.mark.heavy]


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (REPOSITORY / "docs" / "export.md").read_text(encoding="utf-8")
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "docs/export.md", "exec"), names)
    known = {"O", *(f"{place}-{kind}" for place in "BI" for kind in ("PER", "LOC", "ORG", "MISC"))}
    assert {tag for sentence in names["tags"] for tag in sentence} <= known
    described = {path.name for path in (tmp_path / "tagger_onnx").iterdir()}
    assert {"model.onnx", "config.json", "tokenizer.json", "export.json", "README.md"} <= described
