"""Files on disks that may be full."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def full_disk_in_words(folder: Path, remedy: str) -> Iterator[None]:
    """Turn the error of a full disk into a sentence.

    Args:
        folder: where the block writes.
        remedy: what to do when there is room again.

    Raises:
        OSError: with that sentence, if a write inside the block found no room (disk, quota or file-size limit).
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(
            f"no room is left to write in {folder} ({os.strerror(error.errno)}); free some, {remedy}."
        ) from error


def check_room(folder: Path, needed: int) -> None:
    """Refuse to start what cannot end.

    Args:
        folder: where something will be written; it exists.
        needed: bytes.

    Raises:
        OSError: if fewer bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(f"{folder} has {free / 1e9:.1f} GB free and {needed / 1e9:.1f} GB are needed; free some first.")
