"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_text(text: str, path: str | Path) -> None:
    """Write UTF-8; an existing file is replaced only once the new one is complete.

    Args:
        text: the content.
        path: of the file; folders above it are made if need be.

    Raises:
        IsADirectoryError: if ``path`` is a folder.
        OSError: if it cannot be written; nothing is left.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; name a file to write.")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
