"""Puts card and Croissant beside the Parquet files that they describe."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from hf_mlm.construction.fair.card import built_card
from hf_mlm.construction.fair.croissant import croissant
from hf_mlm.construction.fair.description import Description
from hf_mlm.construction.fair.tables import tables_in
from hf_mlm.construction.manifest import OutputFile
from hf_mlm.construction.stage import forget_unfinished
from hf_mlm.files import write_text


CARD, CROISSANT = "README.md", "croissant.json"


def write_fair_files(folder: Path, description: Description, files: Iterable[OutputFile] | None = None) -> None:
    """Write ``README.md``, by which ``load_dataset(folder, config)`` opens the folder, and ``croissant.json``.

    What an interrupted run has left half-written goes. The same folder and description give the same bytes.

    Args:
        folder: with files named ``CONFIG/SPLIT-00000-of-00001.parquet``.
        description: what they cannot tell.
        files: what the folder's manifest says; every file is read and hashed when omitted.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    forget_unfinished(folder)
    tables = tables_in(folder, files)
    write_text(folder / CARD, str(built_card(description, tables)))
    write_text(folder / CROISSANT, json.dumps(croissant(description, tables), indent=1, ensure_ascii=False))
