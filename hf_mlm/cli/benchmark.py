"""``hf-mlm benchmark [PATH]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def benchmark(
    path: Annotated[str | None, typer.Argument(help="A hot path, or all; without it the paths are listed.")] = None,
    sizes: Annotated[str, typer.Option(help="Such as 16,128; what they count is in the list.")] = "",
    repeats: Annotated[int, typer.Option(min=1, help="Timed repetitions, ours and the peer's in turn.")] = 7,
    output: Annotated[Path | None, typer.Option(help="Markdown to write, with its figures as JSON beside it.")] = None,
    profile: Annotated[
        Path | None, typer.Option(help="Instead draw where the time goes, into this folder: profile-PATH.svg.")
    ] = None,
) -> None:
    """Time a hot path against its named peer: same inputs, equal results, then medians with intervals.

    One thread, as in the tables: OMP_NUM_THREADS=1 hf-mlm benchmark crf
    """
    from hf_mlm.benchmarks.catalog import BENCHMARKS

    if path is None:
        sys.stdout.write(listing())
        return
    if path != "all" and path not in BENCHMARKS:
        raise ValueError(f"there is no path {path!r} to measure; choose one of all, {', '.join(BENCHMARKS)}.")
    names = list(BENCHMARKS) if path == "all" else [path]
    asked = read_sizes(sizes)
    if len(names) > 1 and asked:
        raise ValueError("--sizes count something else for every path: name one path.")
    if profile is not None:
        for name in names:
            sys.stdout.write(f"Written: {draw(name, profile)}\n")
        return
    sections = []
    for name in names:
        sections.append(measure(name, asked, repeats))
        if output is not None:
            write(sections, output)  # after each, so that an interruption loses one


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


def listing() -> str:
    """The paths, and what their sizes count."""
    from hf_mlm.benchmarks.catalog import BENCHMARKS

    lines = [f"  {name:<19}{each.title} (sizes: {each.sizes})" for name, each in BENCHMARKS.items()]
    return "\n".join(["Usage: hf-mlm benchmark PATH [OPTIONS]", "", *lines, ""])


def measure(name: str, sizes: list[int], repeats: int) -> tuple[str, str]:
    """Run a path, print its section, and return that as Markdown and JSON."""
    from hf_mlm.benchmarks.catalog import BENCHMARKS
    from hf_mlm.benchmarks.harness import Report, environment
    from hf_mlm.benchmarks.tables import markdown, to_json

    chosen = BENCHMARKS[name]
    module = chosen.load()
    facts = environment(chosen.packages)
    report = Report(repeats)
    module.run(report, sizes)
    section = markdown(chosen.title, facts, report)
    sys.stdout.write(f"{section}\n")
    sys.stdout.flush()
    return section, to_json(chosen.title, {"path": name, **facts}, report)


def draw(name: str, folder: Path) -> Path:
    """Draw the profile of a path."""
    from hf_mlm.benchmarks.catalog import BENCHMARKS
    from hf_mlm.benchmarks.profiles import write_profile

    return write_profile(name, name, BENCHMARKS[name].load().hot(), folder)


def write(sections: list[tuple[str, str]], output: Path) -> None:
    """Write the sections as Markdown, and their figures as a list beside it."""
    from hf_mlm.files import write_text

    write_text(output, "\n".join(text for text, _ in sections))
    figures = ",\n".join(figures.rstrip() for _, figures in sections)
    write_text(output.with_suffix(".json"), f"[\n{figures}\n]\n")


def main(argv: list[str]) -> None:
    """Run ``hf-mlm benchmark …``.

    Args:
        argv: the words after ``hf-mlm benchmark``.
    """
    app(args=argv, prog_name="hf-mlm benchmark")
