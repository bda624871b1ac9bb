"""Attack the readers: ``python -m tests.fuzz --inputs 1000000``; a count for each, and the inputs that were found.

An input is right if it is read, or refused in a sentence that names the file; files with checksums must be read as
they were. A crash, another exception, more than five seconds or 300 MB are faults. Inputs of the same numbers are the
same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tests.fuzz.mutations import mutate
from tests.fuzz.readers import READERS, Files, Reader, environment


SECONDS, MEGABYTES = 5, 300
LINES, LONGEST = 12, 5_000  # of a message, which may list some faults
SLICE = 2_000  # inputs of one process
OUTCOMES = ("read", "sentence", "crash", "bare", "altered", "slow", "large")


def make(name: str, number: int) -> Files:
    """Make an input: the files of a seed, of which the first is changed."""
    generator = random.Random(f"{name} {number}")
    files = dict(generator.choice(READERS[name].seeds()))
    first = next(iter(files))
    return {**files, first: mutate(files[first], generator)}


def attempt(reader: Reader, folder: Path, expected: list[str]) -> tuple[str, str]:
    """Read a folder: the outcome, and what was said."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.alarm(SECONDS)
    try:
        found = repr(reader.read(folder))
    except TimeoutError:
        return "slow", f"more than {SECONDS} s"
    except Exception as error:
        names = [*(path.name for path in folder.iterdir()), *(name.format(folder) for name in reader.names)]
        return ("sentence" if is_sentence(error, names) else "bare"), f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > MEGABYTES * 1024:
        return "large", f"more than {MEGABYTES} MB"
    return ("altered" if reader.exact and found not in expected else "read"), ""


def is_sentence(error: Exception, names: list[str]) -> bool:
    """Tell whether an exception is one of ours: of a plain type, short, naming the file."""
    if isinstance(error, (UnicodeError, json.JSONDecodeError)) or not isinstance(error, (ValueError, OSError)):
        return False
    if isinstance(error, OSError) and error.errno is not None:
        return False
    text = str(error)
    return text.count("\n") <= LINES and len(text) <= LONGEST and any(name in text for name in names)


def work(name: str, start: int, stop: int, marker: Path) -> Iterator[tuple[int, str, str]]:
    """Attack one reader in this process, noting in a file which input is at work."""
    reader = READERS[name]
    signal.signal(signal.SIGALRM, _time_is_up)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        expected = []
        for number, files in enumerate(reader.seeds()):
            seed = Path(scratch, f"seed{number}")
            write(seed, files)
            expected.append(repr(reader.read(seed)))
            shutil.rmtree(seed)
        note = os.open(marker, os.O_WRONLY)
        for number in range(start, stop):
            os.pwrite(note, b"%10d" % number, 0)
            folder = Path(scratch, f"input{number % 100}")
            write(folder, make(name, number))
            outcome, said = attempt(reader, folder, expected)
            shutil.rmtree(folder, ignore_errors=True)
            yield number, outcome, said


def _time_is_up(*_: Any) -> None:
    raise TimeoutError


def write(folder: Path, files: Files) -> None:
    """Write files."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def attack(name: str, start: int, stop: int, found: Path | None = None) -> Counter[str]:
    """Attack one reader in processes of their own, which go on behind an input that ended one.

    Args:
        name: of the reader.
        start: number of the first input.
        stop: number after the last.
        found: folder that gets the files of the inputs with faults.
    """
    counts: Counter[str] = Counter()
    while start < stop:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
            marker = Path(scratch, "number")
            marker.write_text(str(start))
            words = [sys.executable, "-m", "tests.fuzz", "--work", name, str(start), str(stop), str(marker)]
            run = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=3_600)
            for line in run.stdout.splitlines():
                number, outcome, said = json.loads(line)
                counts[outcome] += 1
                if outcome not in ("read", "sentence"):
                    keep(name, number, outcome, said, found)
            if run.returncode == 0:
                return counts
            start = int(marker.read_text()) + 1
            counts["crash"] += 1
            keep(name, start - 1, "crash", f"status {run.returncode}: {run.stderr.strip()[-300:]}", found)
    return counts


def keep(name: str, number: int, outcome: str, said: str, found: Path | None) -> None:
    """Tell a fault, and keep its input."""
    sys.stderr.write(f"{name} {number}: {outcome}: {said[:400]}\n")
    if found is not None:
        shutil.rmtree(found / f"{name}-{number}", ignore_errors=True)
        found.mkdir(parents=True, exist_ok=True)
        write(found / f"{name}-{number}", make(name, number))


def main() -> None:
    """Run the attack, or a worker of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for all readers together")
    parser.add_argument("--start", type=int, default=0, help="number of each reader's first input")
    parser.add_argument("--readers", nargs="*", default=list(READERS))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    environment()
    if arguments.work:
        name, start, stop, marker = arguments.work
        lines = sys.stdout
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            for answer in work(name, int(start), int(stop), Path(marker)):
                lines.write(json.dumps(answer) + "\n")
        return
    began, total = time.monotonic(), sum(READERS[name].share for name in arguments.readers)
    tasks = []
    for name in arguments.readers:
        end = arguments.start + max(1, arguments.inputs * READERS[name].share // total)
        tasks += [(name, at, min(at + SLICE, end)) for at in range(arguments.start, end, SLICE)]
    random.Random(0).shuffle(tasks)
    counts: dict[str, Counter[str]] = {name: Counter() for name in arguments.readers}
    with ThreadPoolExecutor(arguments.processes) as pool:
        for (name, *_), found in zip(tasks, pool.map(lambda task: attack(*task, arguments.found), tasks), strict=True):
            counts[name] += found
    sys.stdout.write(table(counts) + f"{time.monotonic() - began:,.0f} s\n")
    raise SystemExit(any(count for found in counts.values() for name, count in found.items() if name in OUTCOMES[2:]))


def table(counts: dict[str, Counter[str]]) -> str:
    """Lay out the counts, a reader a line."""
    rows = [("reader", "inputs", *OUTCOMES)]
    everything = sum(counts.values(), Counter())
    for name, found in {**counts, "all": everything}.items():
        rows.append((name, f"{found.total():,}", *(f"{found[outcome]:,}" for outcome in OUTCOMES)))
    return "".join("  ".join(f"{cell:>14}" for cell in row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
