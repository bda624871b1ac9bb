"""What must not leave this machine: paths, tokens, and settings that a user has written in words."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import get_token


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
_PLAIN_WORD = re.compile(r"[\w.@+:=-]+(/[\w.-]+)?")
_PATH = re.compile(r"(?:/[^/\s]+/|~/|[A-Za-z]:[\\/]|\\\\|\.{1,2}/|file:)\S*")
_TOKEN = re.compile(rb"hf_[A-Za-z0-9]{30,}")
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
        >>> public_settings({"seed": 3, "data_dir": "MLM", "run_name": "for Eve", "model": {"margin": 0.2}})
        {'seed': 3, 'model': {'margin': 0.2}}
    """
    return {
        name: public_settings(value) if isinstance(value, Mapping) else value
        for name, value in without_paths(settings).items()
        if name not in PRIVATE_SETTINGS and (not isinstance(value, str) or _PLAIN_WORD.fullmatch(value))
    }


def refuse_private(folder: Path, paths: Iterable[str | Path] = ()) -> None:
    """Look through everything that is about to be uploaded, and refuse it all if anything gives the user away.

    Searched are text files, the words in Parquet and the headers of safetensors; weights hold numbers.

    Args:
        folder: to be uploaded, all of it.
        paths: of this machine that must not occur, beside the home folder and the current one.

    Raises:
        ValueError: naming the file, and what it holds.
    """
    wanted = {str(Path(path).expanduser().absolute()) for path in (*paths, Path.home(), Path.cwd())}
    private = {path: "the path" for path in wanted if len(path) >= _SHORTEST}
    if (token := get_token()) is not None:
        private[token] = "the access token"
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        found = _first_private(searchable(file), private)
        if found:
            name = file.relative_to(folder).as_posix()
            raise ValueError(f"{name} holds {found}, which is not for others: take it out. Nothing was uploaded.")


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
    """Strings and notes of a table."""
    notes = b"\n".join((table.schema.metadata or {}).values())
    columns = [column for column in table.columns if pa.types.is_string(column.type)]
    return b"\n".join([notes, *("\n".join(column.drop_null().to_pylist()).encode() for column in columns)])


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
