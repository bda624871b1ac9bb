"""Entities per second and peak memory of the dump path of ``hf-mlm build mlm``, on a generated Wikidata-shaped dump.

Run ``python benchmarks/bench_construction.py 100000 1000000``: sizes in entities. It needs the extra ``construction``
and about 0.4 GB of disk a million entities. The dump is eight gzip files; an item is about 3.3 kB of JSON.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import psutil

from hf_mlm.benchmarks.harness import environment
from hf_mlm.construction.executors import ExecutorSettings, run_stages
from hf_mlm.construction.mlm.build import BuildConfig, DumpSource
from hf_mlm.construction.mlm.dataset import Folders
from hf_mlm.construction.stage import MANIFEST, StageManifest


FILES = 8  # of a dump, and tasks
WORKERS = 2
CLASSES = 900  # below "human settlement", as many as MLM has
# Shares of Wikidata's items, rounded: articles and people without a place, places of all kinds, settlements, classes.
KINDS, SHARES = ("article", "place", "settlement", "class"), (0.85, 0.08, 0.05, 0.02)
ROOT = "Q486972"
LINE = (
    "| {entities:,} | {megabytes:,.0f} MB | {places:,} | {seconds:.1f} | {rate:,.0f} | {cpu:.1f} | {cpu_rate:,.0f} "
    "| {one:.0f} MB | {all:.0f} MB |"
)


def main(sizes: list[int]) -> None:
    facts = environment(["datatrove", "pyarrow"])
    print(f"{facts['date']} · {facts['machine']} · {facts['versions']}\n")
    print("| entities | JSON | places | seconds | entities/s | CPU s | entities/CPU-s | peak RSS, a process | all |")
    print("|---|---|---|---|---|---|---|---|---|")
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="bench_construction_") as folder:
            rows.append(measure(Path(folder), size))
        print(LINE.format(**rows[-1]), flush=True)
    print("\n" + json.dumps(facts | {"rows": rows}))


def measure(folder: Path, size: int) -> dict[str, float]:
    """Generate a dump of a size and put it through the stages up to the names."""
    paths, written = write_dump(folder, size)
    folders = Folders(folder / "build")
    stages = DumpSource.of(paths).stages(folders, BuildConfig(), FILES)
    with Memory() as memory:
        start = time.perf_counter()
        run_stages(stages, folder / "logs", ExecutorSettings(workers=WORKERS))
        seconds = time.perf_counter() - start
    places = StageManifest.load(folders["entities"] / MANIFEST).rows
    return {
        "entities": size,
        "megabytes": written / 1e6,
        "places": places,
        "seconds": seconds,
        "rate": size / seconds,
        "cpu": memory.cpu,
        "cpu_rate": size / memory.cpu,
        "one": memory.one / 1e6,
        "all": memory.all / 1e6,
    }


class Memory:
    """Peak resident memory and CPU seconds of this process and those below it, looked at five times a second."""

    def __init__(self) -> None:
        self.one = self.all = 0
        self._seconds: dict[int, float] = {}
        self._before = sum(psutil.Process().cpu_times()[:2])
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def cpu(self) -> float:
        """CPU seconds since this began; the last fifth of a second of a process may be missing."""
        return sum(self._seconds.values()) - self._before

    def _watch(self) -> None:
        here = psutil.Process(os.getpid())
        while not self._done.wait(0.2):
            sizes = []
            for process in [here, *here.children(recursive=True)]:
                try:
                    sizes.append(process.memory_info().rss)
                    self._seconds[process.pid] = sum(process.cpu_times()[:2])
                except psutil.NoSuchProcess:
                    continue
            self.one, self.all = max(self.one, *sizes), max(self.all, sum(sizes))


def write_dump(folder: Path, size: int) -> tuple[list[Path], int]:
    """Eight gzip files of items, and how many bytes of JSON they hold."""
    paths, written = [folder / f"wikidata-20260105-{number}.json.gz" for number in range(FILES)], 0
    for number, path in enumerate(paths):
        with gzip.open(path, "wb", compresslevel=1) as opened:
            for line in items(range(number, size, FILES), number):
                written += opened.write(line)
    return paths, written


def items(numbers: range, seed: int) -> Iterator[bytes]:
    """Lines of a dump, one an item."""
    random = Random(seed)
    yield b"[\n"
    for number in numbers:
        kind = random.choices(KINDS, SHARES)[0]
        yield (json.dumps(item(number, kind, random), separators=(",", ":")) + ",\n").encode()
    yield b"]\n"


def item(number: int, kind: str, random: Random) -> dict[str, object]:
    """An item as long as Wikidata's shorter ones, most of it labels and statements that nobody asks for."""
    claims = {f"P{2000 + each}": [statement("x" * 60)] for each in range(8)}
    languages = ("en", "de", "fr", "es", "it", "nl", "pl", "sv", "uk", "zh")
    labels = {code: {"language": code, "value": f"{kind} {number}"} for code in languages}
    links: dict[str, object] = {}
    claims["P31"] = [reference(f"Q{13442814 + random.randrange(50)}")]
    if kind == "class":
        claims["P279"] = [reference(ROOT if random.random() < 0.2 else f"Q{random.randrange(CLASSES) + 10**9}")]
        number = 10**9 + number % CLASSES if random.random() < 0.5 else 2 * 10**9 + number
    elif kind in ("place", "settlement"):
        position = {"latitude": random.uniform(-60, 70), "longitude": random.uniform(-180, 180), "precision": 0.01}
        claims["P625"] = [statement(position | {"globe": "http://www.wikidata.org/entity/Q2"})]
        claims["P17"] = [reference(f"Q{random.randrange(150, 350)}")]
    if kind == "settlement":
        claims["P31"] = [reference(ROOT if random.random() < 0.3 else f"Q{random.randrange(CLASSES) + 10**9}")]
        claims["P18"] = [statement(f"Place {number}.jpg")]
        links = {f"{code}wiki": {"site": f"{code}wiki", "title": f"Place {number}"} for code in ("en", "de", "fr")}
    return {"type": "item", "id": f"Q{number + 10}", "labels": labels, "claims": claims, "sitelinks": links}


def statement(value: object) -> dict[str, object]:
    snak = {"snaktype": "value", "property": "P", "hash": "0" * 40, "datavalue": {"value": value, "type": "string"}}
    return {"mainsnak": snak, "type": "statement", "id": "Q0$" + "0" * 36, "rank": "normal"}


def reference(target: str) -> dict[str, object]:
    return statement({"entity-type": "item", "numeric-id": int(target[1:]), "id": target})


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [100_000])
