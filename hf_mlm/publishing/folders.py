"""A dataset repository as a folder: what a push uploads, for those who upload it themselves."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard

from hf_mlm.files import sha256_of
from hf_mlm.publishing.dataset_card import dataset_card
from hf_mlm.publishing.datasets import PreparedConfig, prepare


CARD = "README.md"


def write_repository(dataset: str, configs: Sequence[str], output: str | Path, **options: Any) -> None:
    """Write configs as Parquet with a card that ``load_dataset(output, config)`` reads.

    Args:
        dataset: ``"mlm"`` or ``"mmnerd"``.
        configs: of the dataset.
        output: folder to write; what it holds of other configs stays.
        **options: ``data_dir`` and further settings of the dataset.

    Raises:
        FileNotFoundError: if ``data_dir`` is not there, or does not hold the dataset.
        ValueError: if the dataset or a config is unknown, or the data is malformed.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    for config in configs:
        with tempfile.TemporaryDirectory(dir=output, prefix=".unfinished-") as scratch:
            ready = prepare(dataset, config, Path(scratch, "parquet"), **options)
            _replace(ready, output)
        there = {path.relative_to(output).as_posix(): sha256_of(path) for path in output.glob("*/*.parquet")}
        before = DatasetCard.load(output / CARD) if (output / CARD).is_file() else None
        dataset_card(dataset, f"NAME/{dataset}", {ready.name: ready.info}, there, before).save(output / CARD)


def _replace(ready: PreparedConfig, output: Path) -> None:
    """Put a config's files in their places, and remove those that it had before."""
    targets = {output / name: file for name, file in ready.files.items()}
    for target, file in targets.items():
        target.parent.mkdir(exist_ok=True)
        os.replace(file, target)
    for folder in {target.parent for target in targets}:
        for stale in set(folder.glob("*.parquet")) - targets.keys():
            stale.unlink()
