"""``hf-mlm benchmark [PATH]``."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer


def benchmark(
    path: Annotated[str | None, typer.Argument(help="A hot path, or all; without it the paths are listed.")] = None,
    sizes: Annotated[str, typer.Option(help="Such as 16,128; what they count is in the list.")] = "",
    repeats: Annotated[
        int, typer.Option(min=1, help="Timed repetitions, ours and the peer's in turn; fewer where they take long.")
    ] = 15,
    output: Annotated[Path | None, typer.Option(help="Markdown to write, with its figures as JSON beside it.")] = None,
    profile: Annotated[
        Path | None, typer.Option(help="Instead draw where the time goes, into this folder: profile-PATH.svg.")
    ] = None,
) -> None:
    """Time a hot path against its named peer: same inputs, equal results, then medians with intervals.

    One thread, as in the tables: OMP_NUM_THREADS=1 hf-mlm benchmark crf
    """
    from hf_mlm.benchmarks.harness import BENCHMARKS

    if path is None:
        sys.stdout.write(listing())
        return
    if path != "all" and path not in BENCHMARKS:
        raise ValueError(f"there is no path {path!r} to measure; choose one of all, {', '.join(BENCHMARKS)}.")
    names = list(BENCHMARKS) if path == "all" else [path]
    asked = read_sizes(sizes)
    if len(names) > 1 and asked:
        raise ValueError("--sizes count something else for every path: name one path.")
    if asked and BENCHMARKS[path].sizes == "none":
        raise ValueError(f"the path {path!r} has no sizes: leave --sizes out.")
    check_output(output)
    if profile is not None:
        for name in names:
            sys.stdout.write(f"Written: {draw(name, profile)}\n")
        return
    if path == "all":
        measure_all(repeats, output)
        return
    section = measure(path, asked, repeats)
    if output is not None:
        write([section], output)


def read_sizes(words: str) -> list[int]:
    """Read ``16,128``.

    Raises:
        ValueError: if that is no list of positive whole numbers.

    Example:
        >>> read_sizes("16, 128"), read_sizes("")
        ([16, 128], [])
    """
    parts = [word.strip() for word in words.split(",")] if words.strip() else []
    if not all(word.isdecimal() and int(word) > 0 for word in parts):
        raise ValueError(f"--sizes {words!r} must be positive whole numbers with commas between, such as 16,128.")
    return [int(word) for word in parts]


def check_output(output: Path | None) -> None:
    """Refuse, before anything is measured, what cannot be written.

    Raises:
        ValueError: if it is a folder, or has the name of the figures that are written beside it.
    """
    if output is not None and (output.is_dir() or output.suffix == ".json"):
        raise ValueError(
            f"--output {output} must be a file of Markdown, such as speed.md; its figures are "
            "written beside it as .json."
        )


def listing() -> str:
    """List the paths with the unit of their sizes."""
    from hf_mlm.benchmarks.harness import BENCHMARKS

    lines = [f"  {name:<19}{each.title} (sizes: {each.sizes})" for name, each in BENCHMARKS.items()]
    return "\n".join(["Usage: hf-mlm benchmark PATH [OPTIONS]", "", *lines, ""])


def measure(name: str, sizes: list[int], repeats: int) -> tuple[str, str]:
    """Run a path, print its section, and return that as Markdown and JSON."""
    from hf_mlm.benchmarks.harness import BENCHMARKS, Report, environment
    from hf_mlm.benchmarks.tables import markdown, to_json

    chosen = BENCHMARKS[name]
    facts, report = environment(chosen.packages), Report(repeats)
    chosen.run(report, sizes)
    section = markdown(chosen.title, facts, report)
    sys.stdout.write(f"{section}\n")
    sys.stdout.flush()
    return section, to_json(chosen.title, {"path": name, **facts}, report)


def measure_all(repeats: int, output: Path | None) -> None:
    """Run every path, write after each what there is so far, and leave with status 1 if one of them failed."""
    from hf_mlm.benchmarks.harness import BENCHMARKS

    sections, failed = [], []
    for name, each in BENCHMARKS.items():
        try:
            sections.append(measure_apart(name, repeats))
        except RuntimeError as error:
            failed.append(name)
            figures = json.dumps({"title": each.title, "path": name, "failed": str(error)}, indent=1)
            sections.append((f"## {each.title}\n\nFailed: {error}\n", figures))
            sys.stdout.write(f"{sections[-1][0]}\n")
        if output is not None:
            write(sections, output)
    if failed:
        sys.stderr.write(
            f"{len(failed)} of {len(sections)} paths failed: {', '.join(failed)}; the others are there.\n"
        )
        raise typer.Exit(1)


def measure_apart(name: str, repeats: int) -> tuple[str, str]:
    """Do what ``measure`` does in a process of its own, so that no path is touched by another's memory or end.

    Raises:
        RuntimeError: if the process fails; it says the last line of its errors.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "section.md")
        words = ["benchmark", name, "--repeats", str(repeats), "--output", str(file)]
        done = subprocess.run([sys.executable, "-m", "hf_mlm.cli", *words], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["nothing was said"]
            raise RuntimeError(f"{said[-1]} (exit status {done.returncode})")
        (figures,) = json.loads(file.with_suffix(".json").read_text())
        return file.read_text(), json.dumps(figures, indent=1)


def draw(name: str, folder: Path) -> Path:
    """Draw the profile of a path."""
    from hf_mlm.benchmarks.harness import BENCHMARKS
    from hf_mlm.benchmarks.tables import write_profile

    return write_profile(name, BENCHMARKS[name].profile(), folder)


def write(sections: list[tuple[str, str]], output: Path) -> None:
    """Write the sections as Markdown, and their figures as a list beside it."""
    from hf_mlm.files import write_text

    write_text(output, "\n".join(text for text, _ in sections))
    figures = ",\n".join(figures.rstrip() for _, figures in sections)
    write_text(output.with_suffix(".json"), f"[\n{figures}\n]\n")
