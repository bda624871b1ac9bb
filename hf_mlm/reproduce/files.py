"""Whether a folder holds the datasets and the splits that some runs need; nothing but names is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from hf_mlm.data.splits import SPLITS
from hf_mlm.reproduce.experiments import Spec


NEEDED: dict[str, tuple[str, ...]] = {"count": (), "grid": ("train", "validation")}  # of other kinds, all splits


def missing_files(paper: str, specs: Sequence[Spec], data_dir: str) -> Iterator[str]:
    """Say what a folder lacks, one sentence a dataset, with the way out.

    Args:
        paper: ``"mlm"`` or ``"2m-ner"``.
        specs: what is to be run.
        data_dir: the folder.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for spec in specs:
        wanted[spec.dataset] = max(wanted.get(spec.dataset, ()), NEEDED.get(spec.kind, SPLITS), key=len)
    for dataset, splits in wanted.items():
        try:
            there = [*splits_in(paper, dataset, data_dir)]
        except (ValueError, OSError) as error:
            yield f"{dataset}: {error}"
            continue
        absent = [split for split in splits if any(split not in found for found in there)]
        if absent:
            yield (
                f"{dataset}: {data_dir} has no split {' and no split '.join(absent)}, and the table needs "
                f"{', '.join(splits)}: add the files, or train on what there is by hf-mlm train."
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
