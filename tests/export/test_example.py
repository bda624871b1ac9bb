"""The example that needs neither torch nor transformers, against the pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import pipeline

import hf_mlm  # noqa: F401, registers the pipeline


pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.real

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnx_tagger.py"
WITHOUT = """import runpy, sys
for name in ("torch", "transformers", "hf_mlm", "datasets"):
    sys.modules[name] = None  # importing it fails
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
SENTENCES = ["parisian in france , the river .", "a b", "unbelievable zebra paris in the river france a ."]


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["crf", "two_mner"])
def test_example_finds_what_the_pipeline_finds(kind: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(f"{kind}_export")
    words = [sys.executable, "-c", WITHOUT, str(EXAMPLE), str(folder), *SENTENCES]
    process = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    found = [json.loads(line)["entities"] for line in process.stdout.splitlines()]
    expected = pipeline("multimodal-ner", model=str(request.getfixturevalue(f"{kind}_model")))(SENTENCES)
    assert sum(map(len, expected)) > 0
    for ours, theirs in zip(found, expected, strict=True):
        assert [(e["type"], e["text"]) for e in ours] == [(e["entity_group"], e["word"]) for e in theirs]
        assert [e["score"] for e in ours] == pytest.approx([e["score"] for e in theirs], abs=1e-4)


def test_sentences_that_are_too_long_are_refused(crf_export: Path) -> None:
    words = [sys.executable, "-c", WITHOUT, str(EXAMPLE), str(crf_export), "paris " * 40]
    process = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert process.returncode == 1
    assert "is too long for the model: divide it." in process.stderr
