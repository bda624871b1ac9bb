"""``hf-mlm compare --runs A --against B``: do two taggers differ, or is it chance?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


Counts = dict[str, list[int]]


def compare(
    runs: Annotated[list[Path], typer.Option(help="Output folder of a run; once for each seed.")],
    against: Annotated[list[Path], typer.Option(help="The other system's, as many.")],
    split: Annotated[str, typer.Option(help="test, or eval for validation.")] = "test",
    resamples: Annotated[int, typer.Option(min=1, help="Draws of the bootstrap.")] = 10_000,
) -> None:
    """Compare the micro-F1 of two taggers on the same sentences by paired bootstrap, the counts of seeds summed."""
    from rich.console import Console

    from hf_mlm.metrics.functional.bootstrap import paired_bootstrap

    if len(runs) != len(against):
        raise ValueError(f"--runs names {len(runs)} folders and --against {len(against)}: name as many of both.")
    sides = [summed([read_counts(folder, split) for folder in folders]) for folders in (runs, against)]
    if sides[0].keys() != sides[1].keys():
        raise ValueError(
            f"the runs were scored on other sentences: {len(sides[0])} here and {len(sides[1])} there, "
            f"{len(sides[0].keys() & sides[1].keys())} of them the same; compare runs on one dataset."
        )
    ours, theirs = ([side[name] for name in sorted(side)] for side in sides)
    found = paired_bootstrap(ours, theirs, resamples=resamples)
    low, high = (100 * bound for bound in found["interval"])
    Console().print(
        f"{100 * found['difference']:+.2f} points of F1 on {len(sides[0]):,} sentences, 95 % interval {low:+.2f} to "
        f"{high:+.2f}, p = {found['p_value']:.4f} ({resamples:,} draws).",
        soft_wrap=True,
    )


def read_counts(folder: Path, split: str) -> Counts:
    """Read what a run has counted of each sentence.

    Args:
        folder: output folder of the run.
        split: whose ``counts_<split>.json``.

    Raises:
        ValueError: if there is no such file, or it is another one.
    """
    path = folder / f"counts_{split}.json"
    if not path.is_file():
        raise ValueError(f"{folder} has no {path.name}: name the output folder of a finished hf-mlm train.")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): counts for name, counts in zip(found["ids"], found["counts"], strict=True)}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not what a training writes ({error!r}): train again.") from error


def summed(runs: list[Counts]) -> Counts:
    """Add up the counts of each sentence over runs.

    Raises:
        ValueError: if the runs were scored on different sentences.

    Example:
        >>> summed([{"a": [1, 1, 2]}, {"a": [0, 1, 2]}])
        {'a': [1, 2, 4]}
    """
    if any(run.keys() != runs[0].keys() for run in runs):
        raise ValueError("the runs of one side were scored on different sentences: name seeds of one setting.")
    return {name: [sum(cells) for cells in zip(*(run[name] for run in runs), strict=True)] for name in runs[0]}
