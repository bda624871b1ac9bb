"""The dump path of ``hf-mlm build mlm`` on one Wikidata-shaped file of each form, read by one task and by two.

Run ``python benchmarks/bench_construction.py 1.0 json gz bz2``: gigabytes of JSON, and forms. It needs the extra
``construction`` and disk for the JSON and its compressed forms. An item is about 7 kB of JSON; gzip is a concatenation
of members, bzip2 one stream. The load of the machine is printed, as other work decides about the seconds.
"""

from __future__ import annotations

import bz2
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from hf_mlm.benchmarks.harness import environment
from hf_mlm.construction.mlm.build import BuildConfig
from hf_mlm.construction.mlm.dump import ReadDump


MEMBER = 20_000_000  # bytes of JSON in a gzip member
CLASSES = 900  # below "human settlement", as many as MLM has
# Shares of Wikidata's items, rounded: articles and people without a place, places of all kinds, settlements, classes.
KINDS, SHARES = ("article", "place", "settlement", "class"), (0.85, 0.08, 0.05, 0.02)
ROOT = "Q486972"
LINE = (
    "| {form} | {size:,.0f} MB | {tasks} | {seconds:.1f} | {rate:,.0f} MB/s | {cpu:.1f} | {slowest:.1f} | "
    "{rss:.0f} MB |"
)


def main(gigabytes: float, forms: list[str]) -> None:
    facts = environment(["datatrove", "pyarrow"])
    print(f"{facts['date']} · {facts['machine']} · {facts['versions']}\n")
    print("| form | file | tasks | seconds | JSON a second | CPU s, all | CPU s, slowest task | peak RSS of a task |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="bench_construction_") as folder:
        for form in forms:
            path, written = write_dump(Path(folder), form, int(gigabytes * 1e9))
            one, two = (measure(path, written, tasks) for tasks in (1, 2))
            share, load = one["slowest"] / two["slowest"], os.getloadavg()[0]
            print(
                f"\n{form}: {one['seconds'] / two['seconds']:.2f} times as fast, {share:.2f} by CPU; load {load:.1f}\n"
            )
            path.unlink()


def measure(path: Path, written: int, tasks: int) -> dict[str, Any]:
    """Read the file by a number of tasks at once, each in a process that has imported everything before."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(tasks, maxtasksperchild=1) as pool:
        found = pool.map(read, [(path, rank, tasks) for rank in range(tasks)], chunksize=1)
    first, last = min(one["start"] for one in found), max(one["end"] for one in found)
    row = {
        "form": path.suffix[1:],
        "size": path.stat().st_size / 1e6,
        "tasks": tasks,
        "seconds": last - first,
        "rate": written / 1e6 / (last - first),
        "cpu": sum(one["cpu"] for one in found),
        "slowest": max(one["cpu"] for one in found),
        "rss": max(one["rss"] for one in found),
        "items": sum(one["items"] for one in found),
    }
    print(LINE.format(**row), flush=True)
    return row


def read(job: tuple[Path, int, int]) -> dict[str, float]:
    """Read the parts of a task; seconds of a clock that all processes share."""
    path, rank, tasks = job
    block = ReadDump([path], BuildConfig().languages, "20260105")
    start, before = time.perf_counter(), time.process_time()
    items = sum(1 for _ in block.run(None, rank, tasks))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {
        "start": start,
        "end": time.perf_counter(),
        "cpu": time.process_time() - before,
        "rss": rss,
        "items": items,
    }


def write_dump(folder: Path, form: str, size: int) -> tuple[Path, int]:
    """One file of items, and the bytes of JSON that it holds."""
    path, written = folder / f"wikidata-20260105-all.json{'' if form == 'json' else f'.{form}'}", 0
    stream = bz2.BZ2Compressor() if form == "bz2" else None
    with path.open("wb") as opened:
        for part in parts(size):
            written += len(part)
            if form == "gz":
                compressor = zlib.compressobj(6, wbits=31)
                opened.write(compressor.compress(part) + compressor.flush())
            else:
                opened.write(stream.compress(part) if stream else part)
        opened.write(stream.flush() if stream else b"")
    return path, written


def parts(size: int) -> Iterator[bytes]:
    """Lines of a dump, a gzip member of them at a time."""
    random = Random(0)
    words = ["".join(random.choices("aeinorstlcdu", k=random.randrange(2, 9))) for _ in range(20_000)]
    number, written, lines = 0, 0, [b"[\n"]
    while written < size:
        lines.append((json.dumps(item(number, random, words), separators=(",", ":")) + ",\n").encode())
        number += 1
        written += len(lines[-1])
        if written // MEMBER != (written - len(lines[-1])) // MEMBER:
            yield b"".join(lines)
            lines = []
    yield b"".join([*lines, b"]\n"])


def item(number: int, random: Random, words: list[str]) -> dict[str, object]:
    """An item like Wikidata's, most of it labels and statements that nobody asks for."""
    kind = random.choices(KINDS, SHARES)[0]

    def text(count: int) -> str:
        return " ".join(random.choices(words, k=count))

    claims = {f"P{2000 + each}": [statement(text(4), random)] for each in range(14)}
    languages = ("en", "de", "fr", "es", "it", "nl", "pl", "sv", "uk", "zh")
    labels = {code: {"language": code, "value": text(3)} for code in languages}
    about = {code: {"language": code, "value": text(6)} for code in languages}
    links: dict[str, object] = {}
    claims["P31"] = [reference(f"Q{13442814 + random.randrange(50)}", random)]
    if kind == "class":
        target = ROOT if random.random() < 0.2 else f"Q{random.randrange(CLASSES) + 10**9}"
        claims["P279"] = [reference(target, random)]
        number = 10**9 + number % CLASSES if random.random() < 0.5 else 2 * 10**9 + number
    elif kind in ("place", "settlement"):
        position = {"latitude": random.uniform(-60, 70), "longitude": random.uniform(-180, 180), "precision": 0.01}
        claims["P625"] = [statement(position | {"globe": "http://www.wikidata.org/entity/Q2"}, random)]
        claims["P17"] = [reference(f"Q{random.randrange(150, 350)}", random)]
    if kind == "settlement":
        target = ROOT if random.random() < 0.3 else f"Q{random.randrange(CLASSES) + 10**9}"
        claims["P31"] = [reference(target, random)]
        claims["P18"] = [statement(f"Place {number}.jpg", random)]
        links = {f"{code}wiki": {"site": f"{code}wiki", "title": f"Place {number}"} for code in ("en", "de", "fr")}
    parts = {"labels": labels, "descriptions": about, "claims": claims, "sitelinks": links}
    return {"type": "item", "id": f"Q{number + 10}"} | parts


def statement(value: object, random: Random) -> dict[str, object]:
    snak = {"snaktype": "value", "property": "P", "hash": f"{random.getrandbits(160):040x}"}
    snak |= {"datavalue": {"value": value, "type": "string"}}
    return {"mainsnak": snak, "type": "statement", "id": f"Q0${random.getrandbits(128):032x}", "rank": "normal"}


def reference(target: str, random: Random) -> dict[str, object]:
    return statement({"entity-type": "item", "numeric-id": int(target[1:]), "id": target}, random)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0, sys.argv[2:] or ["json", "gz", "bz2"])
