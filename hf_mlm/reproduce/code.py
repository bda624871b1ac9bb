"""Which code makes a result, so that a run that is kept does not outlive a change to what made it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from hf_mlm.files import sha256_of


MAKERS = (
    "data",
    "geo",
    "metrics",
    "models",
    "training",
    "world",
    "reproduce/experiments.py",
    "reproduce/grid.py",
    "reproduce/runners.py",
    "reproduce/scales.py",
    "reproduce/search.py",
)
KINDS = (".py", ".yaml")  # modules and recipes


@cache
def code_fingerprint(package: Path = Path(__file__).parents[1]) -> str:
    """Name the state of the modules and recipes that decide a run's figures.

    An installed release never changes, so there it says no more than the version; in a working tree it tells every
    edit, comments included. Commands, pages, tables and published figures are left out: they decide nothing.

    Args:
        package: folder of the package.

    Returns:
        16 hexadecimal digits, read once a process.
    """
    digest = hashlib.sha256()
    for maker in MAKERS:
        place = package / maker
        files = [place] if place.is_file() else [path for path in place.rglob("*") if path.suffix in KINDS]
        for path in sorted(files):
            digest.update(f"{path.relative_to(package).as_posix()}:{sha256_of(path)};".encode())
    return digest.hexdigest()[:16]
