"""Unpacks archives of strangers: nothing leaves the target folder, nothing grows without end."""

from __future__ import annotations

import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from huggingface_hub.utils import tqdm

from hf_mlm.data.disk import full_disk_in_words


MAX_RATIO = 100  # deflate reaches 1000 on zeros; JSON, images and compressed HDF5 stay far below 100
MAX_FILES = 2_000_000
_BLOCK = 1 << 20
_SUFFIX = re.compile(r"\.(zip|tar|tar\.gz|tgz)$", re.IGNORECASE)
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, EOFError),
    *(NotImplementedError, RuntimeError),  # unknown compression, encryption
    *(FileExistsError, NotADirectoryError),  # a file where another member has a folder
)


def is_archive(name: str) -> bool:
    """Whether a file name is that of a zip or tar archive.

    Example:
        >>> [is_archive(name) for name in ("MLM.zip", "MLM.tar.gz", "metadata.txt")]
        [True, True, False]
    """
    return _SUFFIX.search(name) is not None


def archive_stem(name: str) -> str:
    """File name of an archive without what makes it one.

    Example:
        >>> archive_stem("MLM_v1.0.tar.gz")
        'MLM_v1.0'
    """
    return _SUFFIX.sub("", name)


def unpack(archive: Path, target: Path, max_ratio: int = MAX_RATIO, max_files: int = MAX_FILES) -> None:
    """Unpack a zip or tar file, all of it or nothing.

    Args:
        archive: the file.
        target: folder to create; its contents appear when everything has been checked and written.
        max_ratio: how many times larger than the archive its contents may be, beyond the first 10 MB.
        max_files: how many files it may hold.

    Raises:
        FileExistsError: if ``target`` is there already.
        ValueError: if the archive is damaged, or a member has an absolute path, a path out of the folder or one that
            is taken, is a link or a device, or there are too many or too large ones.
        OSError: if the disk is full.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already; move it away to unpack {archive.name} again.")
    working = target.with_name(target.name + ".unpacking")
    shutil.rmtree(working, ignore_errors=True)
    try:
        with full_disk_in_words(target.parent, "and start again"):
            working.mkdir(parents=True)
            _unpack_members(archive, working, archive.stat().st_size * max_ratio + 10_000_000, max_files)
            os.replace(working, target)
    except _BROKEN as error:
        raise ValueError(f"{archive} is damaged or no archive ({error}); delete it and fetch it again.") from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _unpack_members(archive: Path, folder: Path, budget: int, max_files: int) -> None:
    members = _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)
    for count, (name, source) in enumerate(tqdm(members, desc=f"Unpacking {archive.name}", unit=" files"), start=1):
        if count > max_files:
            raise ValueError(f"{archive} holds more than {max_files:,} files; it is not the data set, do not use it.")
        path = folder / _inner_path(name, archive)
        if path.exists():
            raise ValueError(f"{archive} holds {name!r} twice; it is damaged or malicious, do not use it.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with source, path.open("xb") as written:
            budget -= _copy(source, written, budget, archive)


def _copy(source: IO[bytes], written: IO[bytes], budget: int, archive: Path) -> int:
    """Copy what is really there, whatever size the archive claims."""
    copied = 0
    while block := source.read(_BLOCK):
        copied += len(block)
        if copied > budget:
            raise ValueError(
                f"{archive} unpacks to far more than data of its kind ({archive.stat().st_size:,} bytes packed); it "
                "looks like a decompression bomb, do not use it."
            )
        written.write(block)
    return copied


def _inner_path(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or not path.name:
        raise ValueError(f"{archive} holds {name!r}, which would be written outside its folder; do not use it.")
    return path


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise ValueError(f"{archive} holds the link {info.filename!r}; only plain files are unpacked.")
            if not info.is_dir():
                yield info.filename, opened.open(info)


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive) as opened:
        for info in opened:
            source = opened.extractfile(info) if info.isreg() else None
            if source is not None:
                yield info.name, source
            elif not info.isdir():
                raise ValueError(f"{archive} holds {info.name!r}, a link or device; only plain files are unpacked.")
