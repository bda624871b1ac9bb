"""A folder is for one build: what it was begun with stands in a record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hf_mlm.files import write_text


def claim(path: Path, record: dict[str, Any]) -> None:
    """Write what a folder is for, or see that it is for the same.

    Args:
        path: of the record, in the folder.
        record: everything that decides about the build.

    Raises:
        ValueError: if the folder holds a build of something else.
    """
    if not path.is_file():
        write_text(path, json.dumps(record, indent=1, ensure_ascii=False))
        return
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        earlier = {}
    differing = [name for name, value in record.items() if earlier.get(name) != value]
    if differing:
        raise ValueError(
            f"{path.parent} holds a build with another {', '.join(differing)} (see {path.name}); give an empty "
            "folder, or the settings that it was begun with."
        )
