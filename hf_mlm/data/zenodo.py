"""Files of the Zenodo record: their list, and verified copies of them."""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from huggingface_hub.utils import tqdm

from hf_mlm.files import full_disk_in_words


RECORD = 3885753
TIMEOUT = (5, 20)  # seconds to connect, and between two blocks
ATTEMPTS = 4
PAUSE = 1.0  # seconds, longer after each attempt
_BLOCK = 1 << 16  # as much as a broken connection loses
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "hf-mlm (https://pypi.org/project/hf-mlm)"}


class UnavailableError(OSError):
    """Failure of the server: the record, or one of its files, cannot be had at the moment."""


class _RetryError(requests.ConnectionError):
    """An answer that another attempt may better."""


@dataclass(frozen=True)
class RemoteFile:
    """File of the record.

    Attributes:
        name: bare file name.
        size: in bytes.
        md5: hexadecimal.
        url: where to get it.
    """

    name: str
    size: int
    md5: str
    url: str


def api_url() -> str:
    """Give the API's address: Zenodo's, or that in the environment variable HF_MLM_ZENODO_API (a mirror)."""
    return os.environ.get("HF_MLM_ZENODO_API", "https://zenodo.org/api").rstrip("/")


def list_files(api: str) -> list[RemoteFile]:
    """Ask the record for its files.

    Args:
        api: address of the API.

    Raises:
        UnavailableError: if the API cannot be reached or answers otherwise than expected.
    """
    url = f"{api}/records/{RECORD}"
    try:
        response = _get(url, {})
        response.raise_for_status()
        return [_remote_file(entry, url) for entry in response.json()["files"]]
    except (requests.RequestException, KeyError, TypeError, ValueError) as error:
        raise UnavailableError(f"{url} gave no list of files ({_reason(error)})") from error


def fetch(file: RemoteFile, target: Path) -> None:
    """Download a file, going on where an earlier try stopped.

    Args:
        file: of the record.
        target: path to write; until the checksum is right, the bytes are in ``<target>.part``.

    Raises:
        UnavailableError: if the server cannot be reached, or breaks off ``ATTEMPTS`` times.
        OSError: if the disk is full.
        ValueError: if the checksum is wrong; the copy is deleted.
    """
    part = target.with_name(target.name + ".part")
    with full_disk_in_words(target.parent, "and start again: the download goes on where it stopped"):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _continue(file, part)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                if attempt == ATTEMPTS:
                    raise UnavailableError(
                        f"{file.url} broke off ({_reason(error)}); a new start goes on there"
                    ) from error
                time.sleep(attempt * PAUSE)
            except requests.RequestException as error:  # a loop of redirects, or one to another scheme
                raise UnavailableError(f"{file.url} cannot be fetched ({_reason(error)})") from error
    if _md5(part) != file.md5:
        part.unlink()
        raise ValueError(
            f"the copy of {file.url} had another md5 sum than the record says and is deleted; start again."
        )
    os.replace(part, target)


def member_names(file: RemoteFile) -> list[str]:
    """List the members of a zip archive of the record, of which only the directory is fetched; none of others."""
    try:
        with zipfile.ZipFile(io.BufferedReader(_RangeReader(file), 1 << 16)) as opened:
            return opened.namelist()
    except (zipfile.BadZipFile, requests.RequestException, OSError):
        return []


def _remote_file(entry: dict[str, Any], url: str) -> RemoteFile:
    algorithm, _, md5 = entry["checksum"].rpartition(":")
    name = entry["key"]
    if algorithm not in ("", "md5") or not re.fullmatch(r"[0-9a-f]{32}", md5):
        raise ValueError(f"the checksum of {name!r} is not an md5 sum: {entry['checksum']!r}")
    if Path(name).name != name or name.startswith("."):
        raise ValueError(f"{name!r} is no bare file name")
    return RemoteFile(name, int(entry["size"]), md5, entry["links"]["self"])


def _get(url: str, headers: dict[str, str], stream: bool = False) -> requests.Response:
    """Ask for an address; a redirect that leaves https is refused, and one to other schemes by `requests`."""
    response = requests.get(url, headers=_HEADERS | headers, timeout=TIMEOUT, stream=stream)
    if url.startswith("https:") and not response.url.startswith("https:"):
        response.close()
        raise requests.exceptions.InvalidSchema(f"it leads to {response.url}, which is not https")
    return response


def _continue(file: RemoteFile, part: Path) -> None:
    start = part.stat().st_size if part.exists() else 0
    if start == file.size:
        return
    start = start if start < file.size else 0
    with _get(file.url, {"Range": f"bytes={start}-"} if start else {}, stream=True) as response:
        resumed = response.status_code == requests.codes.partial_content
        sent = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if response.status_code == requests.codes.range_not_satisfiable or (
            resumed and sent and int(sent[1]) != start
        ):
            part.unlink(missing_ok=True)  # what is there cannot be gone on with
            raise _RetryError(f"status {response.status_code} to a request from byte {start:,}")
        if response.status_code in (408, 429) or response.status_code >= 500:
            raise _RetryError(f"status {response.status_code}")
        if not response.ok:
            raise UnavailableError(f"{file.url} answered {response.status_code} {response.reason}")
        _write(response, part, start if resumed else 0, file)


def _write(response: requests.Response, part: Path, start: int, file: RemoteFile) -> None:
    with (
        part.open("ab" if start else "wb") as written,
        tqdm(total=file.size, initial=start, unit="B", unit_scale=True, desc=file.name) as progress,
    ):
        for block in response.iter_content(_BLOCK):
            written.write(block)
            progress.update(len(block))
            if written.tell() > file.size:
                break  # the checksum will say so
    if part.stat().st_size < file.size:
        raise requests.ConnectionError("the server closed the connection before the end")


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    """Say an error in a few words; those of `requests` repeat host, port, path and class names."""
    if isinstance(error, _RetryError):
        return str(error)
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT[-1]} seconds"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"status {error.response.status_code}"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error) or type(error).__name__


class _RangeReader(io.RawIOBase):
    """Remote file that can be read from any position, by range requests."""

    def __init__(self, file: RemoteFile) -> None:
        self._file, self._position = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._file.size - self._position)
        if wanted <= 0:
            return 0
        span = f"bytes={self._position}-{self._position + wanted - 1}"
        with _get(self._file.url, {"Range": span}, stream=True) as response:
            if response.status_code != requests.codes.partial_content:
                raise OSError("the server gives no ranges")
            content = next(response.iter_content(wanted), b"")
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
