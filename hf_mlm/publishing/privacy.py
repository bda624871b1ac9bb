"""Privacy of what is published: paths, tokens and free text of settings stay here, and so does what cameras wrote.

`without_metadata` keeps the coded pixels of JPEG, PNG and WebP byte for byte; others are coded anew, losslessly.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from huggingface_hub import get_token
from PIL import Image, ImageOps


# Settings that say where a run lived or what its user calls it; the rest is how to repeat it.
PRIVATE_SETTINGS = frozenset(
    {
        "output_dir",
        "data_dir",
        "data_files",
        "image_dir",
        "cache_dir",
        "logging_dir",
        "run_name",
        "project",
        "report_to",
        "trackio_space_id",
        "hub_token",
        "hub_model_id",
        "hub_strategy",
        "push_to_hub",
        "resume_from_checkpoint",
    }
)
_SECRET_NAME = re.compile(r"(?:.*[_-])?(?:token|secret|password|api[_-]?key|credentials?)", re.IGNORECASE)
_PLAIN_WORD = re.compile(r"[\w.@+:=-]+(/[\w.-]+)?")
_PATH = re.compile(r"(?:/[^/\s]+/|~/|[A-Za-z]:[\\/]|\\\\|\.{1,2}/|file:)\S*")
_TOKEN = re.compile(rb"hf_[A-Za-z0-9]{20,}")
_TEXT_FILES = (".json", ".yaml", ".md", ".txt", ".jinja")
_SHORTEST = 5  # characters of a path that tells anything


def is_local_path(value: str) -> bool:
    """Whether a setting's value is a path: by its looks, or because it is there.

    Example:
        >>> [is_local_path(value) for value in ("/home/eve/bert", "~/bert", "google-bert/bert-base-cased", "adamw")]
        [True, True, False, False]
    """
    return bool(_PATH.fullmatch(value)) or ("/" in value and Path(value).exists())


def without_paths(tree: Any) -> Any:
    """Copy nested mappings and lists, leaving out strings that are paths.

    Args:
        tree: what a JSON or YAML file holds.

    Example:
        >>> without_paths({"name_or_path": "/home/eve/bert", "sizes": [1, 2], "hidden_act": "gelu"})
        {'sizes': [1, 2], 'hidden_act': 'gelu'}
    """
    if isinstance(tree, Mapping):
        return {name: without_paths(value) for name, value in tree.items() if not _is_path(value)}
    if isinstance(tree, list):
        return [without_paths(value) for value in tree if not _is_path(value)]
    return tree


def public_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a run's settings what tells nothing of the machine or of whom it belongs to.

    Args:
        settings: contents of ``settings.yaml``.

    Returns:
        Numbers, switches, and strings that are one word or the name of a repository, however deep.

    Example:
        >>> public_settings({"seed": 3, "data_dir": "MLM", "run_name": "Eve", "model": {"margin": 0.2, "token": "x"}})
        {'seed': 3, 'model': {'margin': 0.2}}
    """
    return {
        name: public_settings(value) if isinstance(value, Mapping) else value
        for name, value in without_paths(settings).items()
        if name not in PRIVATE_SETTINGS and not _SECRET_NAME.fullmatch(str(name)) and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    """Whether a value is no string, or one word that could be no token."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return not isinstance(value, str) or bool(_PLAIN_WORD.fullmatch(value) and not value.startswith("hf_"))


def refuse_private(folder: Path, paths: Iterable[str | Path] = ()) -> None:
    """Look through everything that is about to be uploaded, and refuse it all if anything gives the user away.

    Searched are text files, the words in Parquet and the headers of safetensors; weights hold numbers.

    Args:
        folder: to be uploaded, all of it.
        paths: of this machine that must not occur, beside the home folder and the current one.

    Raises:
        ValueError: naming the file, and what it holds.
    """
    private = _private_words(paths)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        found = _first_private(searchable(file), private)
        if found:
            name = file.relative_to(folder).as_posix()
            raise ValueError(f"{name} holds {found}, which is not for others: take it out. Nothing was uploaded.")


def refuse_private_words(table: pa.Table, name: str, paths: Iterable[str | Path] = ()) -> None:
    """Refuse rows that hold a token, or a path of this machine with something below it.

    Args:
        table: to be uploaded.
        name: of the table in an error.
        paths: as for `refuse_private`.

    Raises:
        ValueError: naming what is found.
    """
    private = {word if kind != "the path" else f"{word}/": kind for word, kind in _private_words(paths).items()}
    found = _first_private(_words_of(table), private)
    if found:
        raise ValueError(f"a row of {name} holds {found}, which is not for others: take it out. Nothing was uploaded.")


def _private_words(paths: Iterable[str | Path]) -> dict[str, str]:
    """Words that must not occur, and what each of them is."""
    wanted = {str(Path(path).expanduser().absolute()) for path in (*paths, Path.home(), Path.cwd())}
    private = {path: "the path" for path in wanted if len(path) >= _SHORTEST}
    if (token := get_token()) is not None:
        private[token] = "the access token"
    return private


def searchable(file: Path) -> bytes:
    """The part of a file that could hold words: all of a text file, strings of Parquet, the header of safetensors."""
    if file.suffix in _TEXT_FILES:
        return file.read_bytes()
    if file.suffix == ".parquet":
        return _words_of(pq.read_table(file))
    if file.suffix != ".safetensors":
        return b""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        return stream.read(length)


def _words_of(table: pa.Table) -> bytes:
    """Strings of a table, however deep, and what is written into its schema."""
    notes = b"\n".join((table.schema.metadata or {}).values())
    return b"\n".join([notes, *(text.encode() for column in table.columns for text in _strings(column))])


def _strings(values: pa.ChunkedArray) -> Iterator[str]:
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield from values.drop_null().to_pylist()
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _strings(pc.list_flatten(values))
    elif pa.types.is_struct(kind):
        for place in range(kind.num_fields):
            yield from _strings(pc.struct_field(values, [place]))


def write_public_json(source: Path, target: Path) -> None:
    """Copy a JSON file without the paths in it."""
    content = without_paths(json.loads(source.read_text(encoding="utf-8")))
    target.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _first_private(content: bytes, private: Mapping[str, str]) -> str | None:
    for text, kind in private.items():
        if text.encode() in content:
            return f"{kind} {text!r}" if kind == "the path" else kind
    return "an access token" if _TOKEN.search(content) else None


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and is_local_path(value)


_ORIENTATION = 0x0112  # of EXIF: how the picture is turned, the one tag that has to stay


def without_metadata(content: bytes, name: str = "image") -> bytes:
    """Take out of an encoded image what tells of its camera, place, time and editor; pixels stay as they are.

    EXIF, XMP, IPTC, comments, embedded thumbnails and bytes behind the image go; the colour profile stays, and so does
    the way the picture is turned.

    Args:
        content: of the file.
        name: of the file in an error.

    Raises:
        ValueError: if it cannot be read as an image.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            kind, turned = picture.format or "", picture.getexif().get(_ORIENTATION, 1)
            exif = _orientation(turned) if turned in range(2, 9) else b""
            if kind in _WITHOUT:
                return b"".join(_WITHOUT[kind](content, exif))
            return _coded_anew(picture)
    except (OSError, SyntaxError, ValueError, struct.error, IndexError) as error:
        raise ValueError(
            f"{name} cannot be freed of its metadata ({error}): replace or leave out the file, or say --keep_exif."
        ) from error


def _orientation(turned: int) -> bytes:
    """EXIF with that tag alone."""
    exif = Image.Exif()
    exif[_ORIENTATION] = turned
    return exif.tobytes().removeprefix(b"Exif\0\0")


def _jpeg(content: bytes, exif: bytes) -> Iterator[bytes]:
    """Segments up to the end of the image, of the APPs those of JFIF, colour profile and Adobe's transform."""
    yield content[:2]
    if exif:
        body = b"Exif\0\0" + exif
        yield b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    place = 2
    while True:
        if content[place] != 0xFF:
            raise ValueError(f"no JPEG segment at byte {place}")
        marker = content[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker == 0xD9:
            yield b"\xff\xd9"
            return
        end = place + 2 + struct.unpack_from(">H", content, place + 2)[0]
        body = content[place + 4 : end]
        kept = body.startswith((b"JFIF\0", b"ICC_PROFILE\0", b"Adobe")) if 0xE0 <= marker <= 0xEF else marker != 0xFE
        if marker == 0xDA:  # coded pixels follow, up to a marker that is neither stuffing nor a restart
            found = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]").search(content, end)
            end = found.start() if found else len(content)
        if kept:
            yield _without_thumbnail(body) if body.startswith(b"JFIF\0") else content[place:end]
        if end >= len(content):
            return
        place = end


def _without_thumbnail(body: bytes) -> bytes:
    return b"\xff\xe0\x00\x10" + body[:12] + b"\0\0"


_PNG_METADATA = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME")


def _png(content: bytes, exif: bytes) -> Iterator[bytes]:
    yield content[:8]
    place = 8
    while place < len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        end = place + 12 + size
        if kind not in _PNG_METADATA:
            yield content[place:end]
        if kind == b"IHDR" and exif:
            yield struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", zlib.crc32(b"eXIf" + exif))
        if kind == b"IEND":
            return
        place = end


def _webp(content: bytes, exif: bytes) -> Iterator[bytes]:
    chunks, place, end = [], 12, 8 + struct.unpack_from("<I", content, 4)[0]
    while place < end:
        kind, size = struct.unpack_from("<4sI", content, place)
        chunk = bytearray(content[place : place + 8 + size + size % 2])
        if kind == b"VP8X":
            chunk[8] = chunk[8] & ~0x0C | (0x08 if exif else 0)  # flags of EXIF and XMP
        if kind not in (b"EXIF", b"XMP "):
            chunks.append(bytes(chunk))
        place += len(chunk)
    if exif:
        chunks.append(b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2))
    body = b"".join(chunks)
    yield b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


_WITHOUT = {"JPEG": _jpeg, "MPO": _jpeg, "PNG": _png, "WEBP": _webp}


def _coded_anew(picture: Image.Image) -> bytes:
    """The first frame as PNG, or as TIFF where PNG has no such pixels."""
    profile, frame = picture.info.get("icc_profile"), ImageOps.exif_transpose(picture)
    frame.info.clear()
    kind = "PNG" if frame.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else "TIFF"
    if kind == "TIFF":
        frame = Image.frombytes(frame.mode, frame.size, frame.tobytes())  # without the tags that it was read with
    file = io.BytesIO()
    frame.save(file, kind, **({"icc_profile": profile} if profile else {}))
    return file.getvalue()
