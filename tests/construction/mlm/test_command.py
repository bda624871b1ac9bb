"""``hf-mlm build mlm``, whole: quiet, with a table, a card and a report."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.heavy
def test_the_command_ends_with_card_and_report(wiki: Any, dump: Path, tmp_path: Path) -> None:
    edition = tmp_path / "small.yaml"
    edition.write_text("{max_entities: 30, min_entities: 5, sample_size: 40, country_shares: {DE: 50}}")
    target = tmp_path / "build"
    words = ["--contact", "me@example.org", "--dump", str(dump), "--tasks", "2", "--edition", str(edition)]
    words += ["--wikipedia", wiki.wikipedia, "--commons", wiki.commons]
    done = _run(["build", "mlm", str(target), *words])
    assert done.returncode == 0, done.stderr
    assert "no article" in done.stdout and "load_dataset(" in done.stdout and "report.html" in done.stdout
    assert "Processing done" not in done.stderr and "2/2" in done.stderr
    assert "Processing done" in (target / "logs" / "build.log").read_text()
    assert {"README.md", "croissant.json", "provenance.json"} <= {path.name for path in (target / "dataset").iterdir()}
    page = (target / "report.html").read_text()
    ElementTree.fromstring(page.partition("\n")[2])
    text = html.unescape(re.sub(r"<[^>]*>", " ", page))
    assert "41 settlements with" in text and "Stage places" in text and "CC BY-SA 4.0" in text


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    """In a process of its own, whose standard error is nobody else's."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_MLM_SHARED_DATA"}
    command = [sys.executable, "-c", "import sys; from hf_mlm.cli import main; main(sys.argv[1:])", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
