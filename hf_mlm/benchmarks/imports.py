"""How long starting takes: the package, and the command's help."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

from hf_mlm.benchmarks.harness import Report


def run(report: Report, sizes: Sequence[int]) -> None:
    """Measure both as processes of their own, with the interpreter's start as floor; there are no sizes."""
    report.measure("import hf_mlm, with the interpreter", python("-c", "import hf_mlm"), target="< 0.2 s")
    report.measure("hf-mlm --help", python("-m", "hf_mlm.cli", "--help"), target="< 0.5 s")
    report.floor("import hf_mlm", python("-c", "import hf_mlm"), python("-c", ""), "python -c ''")


def python(*words: str) -> Callable[[], object]:
    """A call of Python."""
    return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)


def hot() -> Callable[[], object]:
    """The import."""
    return python("-c", "import hf_mlm")
