"""Download of a config's files from Zenodo (record 3885753), and unpacking of archives."""

from __future__ import annotations

import errno
import gzip
import json
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from huggingface_hub.utils import tqdm

from hf_mlm.data import zenodo
from hf_mlm.data.mlm.layout import config_named
from hf_mlm.files import check_room, full_disk_in_words, locked, reason_of, replacing_folder, write_text


CONFIGS = ("mlm", "irle", "irle-gr")


def download(config: str, target: Path, api: str | None = None) -> Path:
    """Download, verify and unpack the files of a config; what is there already is not fetched again.

    The names of the record's archives are not fixed, so files are matched by the words of their names (``irle``,
    ``irle_gr`` …) and, where these say nothing, by the names inside the archives.

    Args:
        config: ``"mlm"``, ``"irle"`` or ``"irle-gr"``.
        target: folder for the files; created if need be.
        api: address of the API; see `zenodo.api_url`.

    Returns:
        ``target``, ready to be a ``data_dir``.

    Raises:
        ValueError: if the config has no files, a checksum is wrong or an archive cannot be trusted.
        OSError: if HF_HUB_OFFLINE is set (before any connection is made), the record cannot be reached or has no file
            for the config, or the disk is full; the sentence says how to do without.
    """
    if config not in CONFIGS:
        raise ValueError(f"there is nothing to download for {config!r}; choose one of {', '.join(CONFIGS)}.")
    provenance = target / f"zenodo-{config}.json"  # written last: what it names is complete
    if provenance.is_file():
        return target
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise OSError(
            f"the files of {config!r} are not on this machine and HF_HUB_OFFLINE is set; unset it, {_by_hand(config)}"
        )
    with locked(target, "download", wait=True):
        if not provenance.is_file():  # another process may have brought everything while this one waited
            _bring_all(config, target, api or zenodo.api_url(), provenance)
    return target


def _bring_all(config: str, target: Path, api: str, provenance: Path) -> None:
    try:
        files = _files_for(config, zenodo.list_files(api))
        check_room(target, sum(file.size for file in files if not _is_here(file, target)))
        for file in files:
            _bring(file, target)
    except zenodo.UnavailableError as error:
        raise OSError(f"{error}; try again later, {_by_hand(config)}") from error
    _write_provenance(files, provenance)


def _by_hand(config: str) -> str:
    return (
        f"or download the files by hand from https://zenodo.org/records/{zenodo.RECORD}, unpack them, and pass the "
        f'folder: load_dataset("mlm", "{config}", data_dir="…").'
    )


def _files_for(config: str, files: list[zenodo.RemoteFile]) -> list[zenodo.RemoteFile]:
    data = [file for file in files if _is_data(file) and "sample" not in file.name.lower()]
    fitting = [file for file in data if config_named(file.name) == config]
    fitting = fitting or [file for file in data if _holds(file, config)]
    if not fitting:
        names = ", ".join(file.name for file in files) or "none"
        raise zenodo.UnavailableError(f"none of the record's files is recognised as that of {config!r} (of {names})")
    return fitting


def _is_data(file: zenodo.RemoteFile) -> bool:
    return is_archive(file.name) or file.name.lower().endswith((".h5", ".hdf5"))


def _holds(file: zenodo.RemoteFile, config: str) -> bool:
    return any(config_named(part) == config for name in zenodo.member_names(file) for part in name.split("/"))


def _local_path(file: zenodo.RemoteFile, target: Path) -> Path:
    return target / archive_stem(file.name)


def _is_here(file: zenodo.RemoteFile, target: Path) -> bool:
    return _local_path(file, target).exists()


def _bring(file: zenodo.RemoteFile, target: Path) -> None:
    if _is_here(file, target):
        return
    copy = target / file.name
    if not copy.exists():
        zenodo.fetch(file, copy)
    if is_archive(file.name):
        unpack(copy, _local_path(file, target))
        copy.unlink()


def _write_provenance(files: list[zenodo.RemoteFile], path: Path) -> None:
    content = {"record": zenodo.RECORD, "files": [{"name": file.name, "md5": file.md5} for file in files]}
    write_text(path, json.dumps(content, indent=2))


MAX_RATIO = 100  # deflate reaches 1000 on zeros; JSON, images and compressed HDF5 stay far below 100
MAX_FILES = 500_000  # MLM v2 has 433,589 images
MAX_EMPTY = 10_000  # folders and empty files
MAX_NAME = 1 << 16  # bytes of a name and of what a tar file says beside it
BYTES_PER_ENTRY = 120  # of a zip file's list of members
_BLOCK = 1 << 20
_SUFFIX = re.compile(r"\.(zip|tar|tar\.gz|tgz)$", re.IGNORECASE)
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, EOFError),
    *(NotImplementedError, RuntimeError),  # unknown compression, encryption
    *(FileExistsError, NotADirectoryError),  # a file where another member has a folder
)
_ODD = (errno.EINVAL, errno.ENAMETOOLONG)  # a position before the file's beginning; a name that no file can have


def is_archive(name: str) -> bool:
    """Tell whether a file name is that of a zip or tar archive.

    Example:
        >>> [is_archive(name) for name in ("MLM.zip", "MLM.tar.gz", "metadata.txt")]
        [True, True, False]
    """
    return _SUFFIX.search(name) is not None


def archive_stem(name: str) -> str:
    """Give the file name of an archive without its ending.

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
    try:
        with full_disk_in_words(target.parent, "and start again"), replacing_folder(target) as working:
            written = _unpack_members(archive, working, archive.stat().st_size * max_ratio + 10_000_000, max_files)
            found = sum(len(files) for _, _, files in os.walk(working))
            if found != written:
                raise OSError(
                    f"Expected {written:,} files of {archive} in {working}, found {found:,}: unpack it again."
                )
    except (*_BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _ODD and not isinstance(error, _BROKEN):
            raise
        reason = reason_of(error)
        raise ValueError(f"{archive} is damaged or no archive ({reason}); delete it and fetch it again.") from error


def _unpack_members(archive: Path, folder: Path, budget: int, max_files: int) -> int:
    """Write the members of an archive, and count them."""
    count = empty = 0
    members = (_zip_members if zipfile.is_zipfile(archive) else _tar_members)(archive, max_files)
    for name, source in tqdm(members, desc=f"Unpacking {archive.name}", unit=" files"):
        size = 0
        if source is not None:
            path = folder / _inner_path(name, archive)
            if path.exists():
                raise ValueError(f"{archive} holds {name!r} twice; it is damaged or malicious, do not use it.")
            path.parent.mkdir(parents=True, exist_ok=True)
            with source, path.open("xb") as written:
                size = _copy(source, written, budget, archive)
            budget -= size
            count += 1
        empty += not size
        if count > max_files or empty > MAX_EMPTY:
            raise _too_many(archive, max_files if count > max_files else MAX_EMPTY)
    return count


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
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name or not path.name:
        raise ValueError(f"{archive} holds {name!r}, which would be written outside its folder; do not use it.")
    return path


def _zip_members(archive: Path, max_files: int) -> Iterator[tuple[str, IO[bytes] | None]]:
    entries, size = _directory(archive)
    if entries > max_files or size > max_files * BYTES_PER_ENTRY:
        raise _too_many(archive, max_files)
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise ValueError(f"{archive} holds the link {info.filename!r}; only plain files are unpacked.")
            yield info.filename, None if info.is_dir() else opened.open(info)


def _directory(archive: Path) -> tuple[int, int]:
    """Number and bytes of the entries in a zip file's list of members, as its end record claims; 0 without one."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - (1 << 16) - 22))
        end = file.read()
    record, record64 = end.rfind(b"PK\5\6"), end.rfind(b"PK\6\6")
    start, width = (record64 + 32, 8) if record64 >= 0 else (record + 10, 2)
    if max(record, record64) < 0:
        return 0, 0
    size = start + width
    return int.from_bytes(end[start:size], "little"), int.from_bytes(end[size : size + max(width, 4)], "little")


class _BoundedTarInfo(tarfile.TarInfo):
    """A member of a tar file whose name, which `tarfile` reads as a whole, is not endless."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        named = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)
        if self.type in (*named, tarfile.SOLARIS_XHDTYPE) and self.size > MAX_NAME:
            raise tarfile.ReadError(f"a name or header of {self.size:,} bytes")
        return super()._proc_member(tar)  # type: ignore[misc]  # the hook for subclasses has no stub


def _tar_members(archive: Path, max_files: int) -> Iterator[tuple[str, IO[bytes] | None]]:
    with tarfile.open(archive, tarinfo=_BoundedTarInfo) as opened:
        while (info := opened.next()) is not None:
            opened.members.clear()  # type: ignore[attr-defined]  # a million of them would fill the memory
            source = opened.extractfile(info) if info.isreg() else None
            if source is None and not info.isdir():
                raise ValueError(f"{archive} holds {info.name!r}, a link or device; only plain files are unpacked.")
            yield info.name, source


def _too_many(archive: Path, max_files: int) -> ValueError:
    return ValueError(f"{archive} holds more than {max_files:,} files; it is not the data set, do not use it.")
