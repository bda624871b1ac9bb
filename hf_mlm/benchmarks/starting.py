"""How long starting takes: the package, and the command's help."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

from hf_mlm.benchmarks.harness import Report, Shares


def run_import(report: Report, sizes: Sequence[int]) -> None:
    """Measure both as processes of their own, with the interpreter's start as floor; there are no sizes."""
    report.measure("import hf_mlm, with the interpreter", python("-c", "import hf_mlm"), target="< 0.2 s")
    report.measure("hf-mlm --help", python("-m", "hf_mlm.cli", "--help"), target="< 0.5 s")
    report.floor("import hf_mlm", python("-c", "import hf_mlm"), python("-c", ""), "python -c ''")


def python(*words: str) -> Callable[[], object]:
    """A call of Python."""
    return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)


def profile_import() -> Shares:
    """Look at the import, in a process of its own, module by module."""
    command = [sys.executable, "-X", "importtime", "-c", "import hf_mlm"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()[1:]
    fields = [line.removeprefix("import time:").split("|") for line in lines]  # own µs, with its imports', name
    return sorted(((name.strip(), int(own) / 1e6, 1) for own, _, name in fields), key=lambda share: -share[1])
