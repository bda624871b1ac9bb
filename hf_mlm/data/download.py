"""Brings a config's files from Zenodo (record 3885753) to this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hf_mlm.data import zenodo
from hf_mlm.data.disk import check_room
from hf_mlm.data.formats.layout import config_named
from hf_mlm.data.unpack import archive_stem, is_archive, unpack
from hf_mlm.files import write_text


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
    target.mkdir(parents=True, exist_ok=True)
    try:
        files = _files_for(config, zenodo.list_files(api or zenodo.api_url()))
        check_room(target, sum(file.size for file in files if not _is_here(file, target)))
        for file in files:
            _bring(file, target)
    except zenodo.UnavailableError as error:
        raise OSError(f"{error}; try again later, {_by_hand(config)}") from error
    _write_provenance(files, provenance)
    return target


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
