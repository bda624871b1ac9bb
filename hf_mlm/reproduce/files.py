"""Whether a folder holds the datasets and the splits that some runs need; nothing but names is read."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hf_mlm.data.splits import SPLITS
from hf_mlm.reproduce.experiments import Spec


NEEDED: dict[str, tuple[str, ...]] = {"count": (), "grid": ("train", "validation")}  # of other kinds, all splits


def missing_files(paper: str, specs: Sequence[Spec], data_dir: str) -> list[str]:
    """Say what a folder lacks, with the way out; datasets that lack the same share a sentence.

    Args:
        paper: ``"mlm"`` or ``"2m-ner"``.
        specs: what is to be run.
        data_dir: the folder.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for spec in specs:
        wanted[spec.dataset] = max(wanted.get(spec.dataset, ()), NEEDED.get(spec.kind, SPLITS), key=len)
    problems: dict[str, list[str]] = {}
    for dataset, splits in wanted.items():
        problem = _problem(paper, dataset, data_dir, splits)
        if problem:
            problems.setdefault(problem, []).append(dataset)
    return [f"{', '.join(datasets)}: {problem}" for problem, datasets in problems.items()]


def _problem(paper: str, dataset: str, data_dir: str, wanted: Sequence[str]) -> str | None:
    try:
        there = splits_in(paper, dataset, data_dir)
    except (ValueError, OSError) as error:
        return str(error)
    absent = [split for split in wanted if any(split not in found for found in there)]
    if not absent:
        return None
    return (
        f"{data_dir} has no split {' and no split '.join(absent)}, and the table needs {', '.join(wanted)}: add the "
        "files, or train on what there is by hf-mlm train."
    )


def splits_in(paper: str, dataset: str, data_dir: str) -> list[Collection[str]]:
    """List the splits that files are divided into, once for each language; empty where the package divides them.

    Args:
        paper: ``"mlm"`` or ``"2m-ner"``.
        dataset: configuration of ``mlm`` or ``mmnerd``.
        data_dir: the folder.

    Raises:
        FileNotFoundError: if there is no such folder, or no such dataset in it.
        ValueError: if there are several to choose from, or a conversion cannot be read.
    """
    from hf_mlm.data.formats.parquet import Manifest
    from hf_mlm.data.mlm import MLMConfig
    from hf_mlm.data.mmnerd import MMNERDConfig

    if paper == "2m-ner":
        return list(MMNERDConfig(name=dataset, data_dir=data_dir).find().files.values())
    layout = MLMConfig(name=dataset, data_dir=data_dir).find()
    if layout.parquet:
        return [Manifest.load(layout.parquet).planned]
    return [layout.splits] if layout.splits else []
