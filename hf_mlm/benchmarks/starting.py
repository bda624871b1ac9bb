"""Starting: the package, the command's help, and the embedded world."""

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


SETTLEMENTS = 234_908
LOAD = """
import sys, tempfile, time, resource
import hf_mlm
from datasets import load_dataset
with tempfile.TemporaryDirectory() as cache:
    began = time.perf_counter()
    rows = load_dataset("mlm", "demo", size=int(sys.argv[1]), cache_dir=cache)
    took = time.perf_counter() - began
print(sum(map(len, rows.values())), took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def run_demo(report: Report, sizes: Sequence[int]) -> None:
    """Build the embedded world in a process of its own, with an empty cache."""
    for size in sizes or [SETTLEMENTS]:
        words = [sys.executable, "-c", LOAD, str(size)]
        rows, took, memory = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[-3:]
        if int(rows) > size:
            raise ValueError(f"Expected at most {size:,} settlements, found {rows}.")
        report.note(f"{int(rows):,} settlements: {float(took):,.1f} s, {float(memory):,.0f} MB (bars: 60 s, 1 GB).")


def hot_demo() -> Callable[[], object]:
    """Rows of 200 settlements."""
    from hf_mlm.world import EmbeddedWorld

    world = EmbeddedWorld(200)
    return lambda: list(world.rows("train"))
