"""Text files, plain or gzipped, by path or URL."""

from __future__ import annotations

import gzip
import os
import zlib

import fsspec


_BYTE_ORDER_MARK = "\ufeff"
_GZIP_MAGIC = b"\x1f\x8b"


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a UTF-8 file, plain or gzipped, by path or URL; a byte order mark is dropped, CRLF becomes LF.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8, or a damaged archive.
    """
    try:
        with fsspec.open(os.fspath(path), "rb") as file:
            content: bytes = file.read()
        if content.startswith(_GZIP_MAGIC):
            content = gzip.decompress(content)
        text = content.decode("utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not a file; check the path.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip archive ({error}); fetch it again.") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}:{line}: byte 0x{content[error.start]:02x} is not UTF-8; convert the file to UTF-8."
        ) from error
    return text.removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n")
