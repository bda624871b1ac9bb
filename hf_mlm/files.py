"""Writing of files: whole or not at all, by one writer at a time, with a message when there is no room."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
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


def read_json(path: str | os.PathLike[str], remedy: str) -> Any:
    """Read a JSON file that this package has written.

    Args:
        path: of the file.
        remedy: the way out, for the message.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8 or not JSON, nested too deeply, or has numbers that are too long.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)} is not JSON ({reason_of(error)}); {remedy}.") from error


def reason_of(error: BaseException, longest: int = 300) -> str:
    r"""Shorten what an exception says to one line; errors of encoding leave out what they were about.

    Args:
        error: of any library.
        longest: characters of the line.

    Example:
        >>> reason_of(ValueError("no\n  number"))
        'no number'
    """
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not {error.encoding.upper()}"
    text = " ".join(str(error).split()) or type(error).__name__
    text = repr(error) if isinstance(error, KeyError) else text
    return text if len(text) <= longest else f"{text[:longest]}…"


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, hexadecimal; a megabyte at a time, so a file may be larger than memory."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def checksum_of(path: str | os.PathLike[str]) -> str:
    """XXH64 of a file's bytes, hexadecimal: ten times as fast as SHA-256, against accidents rather than malice."""
    from datasets.fingerprint import Hasher

    with open(path, "rb") as file:
        return Hasher.hash_bytes(iter(lambda: file.read(_BLOCK), b""))


def check_file(path: str | os.PathLike[str], checksum: str | None, remedy: str) -> None:
    """Compare a file with its checksum, once in a process as long as its size and time stay the same.

    Args:
        path: of the file.
        checksum: `checksum_of` the file when it was written; None, from before there were any, checks nothing.
        remedy: the way out, for the message.

    Raises:
        ValueError: if a bit of it is another.
    """
    state = os.stat(path)
    if checksum is not None and _known_checksum(os.fspath(path), state.st_size, state.st_mtime_ns) != checksum:
        raise ValueError(f"{os.fspath(path)} is damaged: its checksum is not the one that was noted; {remedy}.")


@lru_cache(maxsize=100_000)
def _known_checksum(path: str, size: int, mtime_ns: int) -> str:
    return checksum_of(path)


LOCK = ".lock"
_CONTENT = "content"  # of an unfinished folder


@contextmanager
def locked(folder: str | os.PathLike[str], doing: str, wait: bool = False) -> Iterator[None]:
    """Keep other writers out of a folder while the block runs; the lock goes with its process, however that ends.

    Args:
        folder: is made if need be.
        doing: of the message, such as ``"train"``.
        wait: whether to wait for another writer, with a warning, as its work may be all that is wanted.

    Raises:
        BlockingIOError: if another process, or another thread of this one, holds the folder.
        PermissionError: if the folder cannot be made or written to.
        OSError: if the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, locked(folder, "train"):
        ...     os.listdir(folder)
        ['.lock']
    """
    from filelock import FileLock, Timeout

    path = Path(folder, LOCK)
    lock = FileLock(path)
    try:
        with full_disk_in_words(path.parent, f"and {doing} again"):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
    except Timeout as error:
        if wait:
            logging.getLogger(__name__).warning(f"Another process writes in {path.parent}; waiting for it.")
            lock.acquire()
        else:
            raise BlockingIOError(
                f"Expected to {doing} alone in {path.parent}, found another process that writes there: wait for it "
                "and give the command again, or choose another folder."
            ) from error
    except NotImplementedError:  # a network's file system that knows no locks
        yield
        return
    try:
        _remove_unfinished(path.parent)
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: who has opened it already finds it unlinked, and waits
        lock.release()


def _remove_unfinished(folder: Path, name: str = "") -> None:
    """Remove the unfinished files and folders of killed writers; a folder of one that lives is held."""
    for path in folder.glob(f".{glob.escape(name)}*.part"):
        if path.is_file():
            path.unlink(missing_ok=True)
        elif (path / _CONTENT).is_dir():  # its writer held it before that was there
            with suppress(BlockingIOError), locked(path, "write"):
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a new folder beside a path, and move it there when all went well; what killed writers left is removed.

    Args:
        path: of a folder that does not exist, or is empty; folders above it are made if need be.

    Raises:
        OSError: if ``path`` is taken, or cannot be written; nothing is left.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing_folder(Path(folder, "images")) as unfinished:
        ...         _ = Path(unfinished, "a.txt").write_text("Rome")
        ...     os.listdir(folder)
        ['images']
    """
    target = Path(path)
    with scratch_folder(target.parent, target.name) as unfinished:
        yield unfinished
        os.replace(unfinished, target)


@contextmanager
def scratch_folder(folder: str | os.PathLike[str], name: str) -> Iterator[Path]:
    """Give a new folder inside another that goes at the end; those of killed writers of that name go first.

    Args:
        folder: is made if need be.
        name: of what will be written.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    _remove_unfinished(Path(folder), f"{name}.")
    scratch = Path(folder, f".{name}.{os.urandom(4).hex()}.part")
    try:
        with locked(scratch, "write"):
            (scratch / _CONTENT).mkdir()
            yield scratch / _CONTENT
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}
# What libraries that write by themselves say of a full disk, without its number.
_FULL_MESSAGES = (
    *("No space left on device", "Disk quota exceeded", "File too large"),  # safetensors
    *("PytorchStreamWriter failed", "unexpected pos", "iostream error"),  # torch
)


@contextmanager
def full_disk_in_words(folder: str | os.PathLike[str], remedy: str) -> Iterator[None]:
    """Give the error of a full disk, or of a folder that may not be written to, a message.

    Args:
        folder: where the block writes.
        remedy: what to do when there is room again.

    Raises:
        PermissionError: with that message, if the block may not write there.
        OSError: with that message, if a write inside the block found no room (disk, quota or file-size limit).
    """
    try:
        yield
    except Exception as error:  # safetensors and torch have errors of their own
        number = getattr(error, "errno", None)
        if number in _CLOSED and _is_inside(getattr(error, "filename", None), Path(folder)):
            raise PermissionError(
                f"Expected to write in {folder}, found a folder that this user may not write to "
                f"({os.strerror(number)}): choose another, or have its permissions changed."
            ) from error
        if number not in _FULL and not any(message in str(error) for message in _FULL_MESSAGES):
            raise
        reason = os.strerror(number or errno.ENOSPC)
        raise OSError(f"no room is left to write in {folder} ({reason}); free some, {remedy}.") from error


def _is_inside(name: object, folder: Path) -> bool:
    return isinstance(name, str) and Path(name).absolute().is_relative_to(folder.absolute().parent)


def check_room(folder: str | os.PathLike[str], needed: int) -> None:
    """Refuse to start what cannot end.

    Args:
        folder: where something will be written; it exists.
        needed: bytes.

    Raises:
        OSError: if fewer bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"Expected {_size(needed)} of room in {folder}, found {_size(free)}: free {_size(needed - free)} first. "
            "Nothing was written."
        )


def _size(count: int) -> str:
    units = {"GB": 1e9, "MB": 1e6, "bytes": 1}
    unit = next((unit for unit, size in units.items() if count >= size), "bytes")
    return f"{count / units[unit]:,.{0 if unit == 'bytes' else 1}f} {unit}"
