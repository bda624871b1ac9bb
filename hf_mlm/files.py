"""Files that appear whole or not at all, and what tells two of them apart."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


_BLOCK = 1 << 20  # bytes read at a time


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a new name beside a file, and put what is written there in its place when all went well.

    Readers see the old file or the new one, never half, and whatever interrupts the work leaves the old one. Several
    threads, processes and machines may write the same file: the last one to finish stays.

    Args:
        path: of the file; its folder exists.

    Raises:
        IsADirectoryError: if ``path`` is a folder.
        OSError: if the new file cannot be written or moved; nothing is left of it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, replacing(Path(folder, "a.txt")) as unfinished:
        ...     _ = unfinished.write_text("Rome")
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; name a file to write.")
    unfinished = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    try:
        yield unfinished
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8; an existing file is replaced only once the new one is complete.

    Args:
        path: of the file; folders above it are made if need be.
        text: the content.

    Raises:
        IsADirectoryError: if ``path`` is a folder.
        OSError: if it cannot be written; nothing is left.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_json(content: Any, path: str | os.PathLike[str]) -> None:
    """Write JSON with sorted keys; an existing file is replaced only once the new one is complete.

    Args:
        content: what JSON can hold.
        path: of the file; folders above it are made if need be.
    """
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, hexadecimal; a megabyte at a time, so a file may be larger than memory."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


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
