"""What a stage was made of and what came out: one manifest a task, one a stage, the same bytes on every run."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import hf_mlm
from hf_mlm.files import sha256_of, write_text


MANIFEST = "manifest.json"
_FORMAT = "hf_mlm construction stage, version 1"


@dataclass
class Ledger:
    """What the blocks of one task say about their work; it goes into the manifest.

    Attributes:
        dropped: reason -> how many rows went no further.
        noted: what happened to rows that did go on, such as "several coordinates" -> how often.
        inputs: name of a file (or of a range of its bytes) -> SHA-256 of what was read.
        facts: whatever else decides about the output, such as the text of a query or the date of a dump.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    inputs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget everything, at the start of a task."""
        for part in (self.dropped, self.noted, self.inputs, self.facts):
            part.clear()


@dataclass(frozen=True)
class OutputFile:
    """A finished Parquet file.

    Attributes:
        name: relative to the folder of its stage.
        bytes: its size.
        rows: how many.
        sha256: of its bytes.
    """

    name: str
    bytes: int
    rows: int
    sha256: str

    @classmethod
    def of(cls, path: Path, rows: int, folder: Path) -> OutputFile:
        """Describe a file that is complete, in the folder of its stage or below it."""
        return cls(path.relative_to(folder).as_posix(), path.stat().st_size, rows, sha256_of(path))

    def is_in(self, folder: Path) -> bool:
        """Whether the folder holds a file of this name and size."""
        path = folder / self.name
        return path.is_file() and path.stat().st_size == self.bytes


@dataclass(frozen=True)
class StageManifest:
    """What a task, or all tasks of a stage together, have done.

    Attributes:
        stage: name of the stage.
        code: version of the code that ran, see `code_version`.
        files: what was written, in the order of the tasks.
        inputs: as in `Ledger`; those of all tasks.
        facts: as in `Ledger`.
        dropped: as in `Ledger`; the sum over the tasks.
        noted: the same.
    """

    stage: str
    code: str
    files: list[OutputFile]
    inputs: dict[str, str]
    facts: dict[str, Any]
    dropped: dict[str, int]
    noted: dict[str, int]

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)

    @property
    def sha256(self) -> str:
        """Of the manifest itself: equal hashes mean equal inputs, code and output."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    @classmethod
    def of_task(cls, stage: str, files: list[OutputFile], ledger: Ledger, package: str | None = None) -> StageManifest:
        """What one task has done; ``package`` as in `code_version`."""
        kept = {name: dict(sorted(part.items())) for name, part in vars(ledger).items()}
        return cls(stage, code_version(package), files, **kept)

    @classmethod
    def merged(cls, parts: Iterable[StageManifest]) -> StageManifest:
        """What all tasks have done together; there is at least one."""
        listed = list(parts)
        sums = {name: Counter[str]() for name in ("dropped", "noted")}
        inputs: dict[str, str] = {}
        facts: dict[str, Any] = {}
        for part in listed:
            inputs |= part.inputs
            facts |= part.facts
            for name, total in sums.items():
                total.update(getattr(part, name))
        ordered = {name: dict(sorted(total.items())) for name, total in sums.items()}
        files = [file for part in listed for file in part.files]
        return cls(listed[0].stage, listed[0].code, files, dict(sorted(inputs.items())), facts, **ordered)

    @classmethod
    def load(cls, path: Path) -> StageManifest:
        """Read a manifest.

        Raises:
            FileNotFoundError: if there is none, which means that the stage or task is not finished.
            ValueError: if the file is not one.
        """
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is not there: the stage {path.parent.name!r} is not finished; run the same command again, it "
                "goes on where it stopped."
            )
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") != _FORMAT:
                raise KeyError("format")
            return cls(files=[OutputFile(**entry) for entry in content.pop("files")], **content)
        except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is not a manifest of this version of hf_mlm ({error!r}); build into an empty folder."
            ) from error

    def save(self, path: Path) -> None:
        """Write the manifest; a reader sees the old one or the new one, never half."""
        write_text(path, self._text())

    def _text(self) -> str:
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1, ensure_ascii=False)


@cache
def code_version(package: str | None = None) -> str:
    """Version of hf_mlm and a short hash of the sources that decide about the output of a construction.

    Args:
        package: of `hf_mlm.construction`, such as ``"mlm"``: a change to the others then changes nothing. All of them
            when omitted. What the packages share, `geo` and `data.splits` always count.
    """
    root = Path(__file__).parent.parent
    construction = root / "construction"
    shared, own = construction.glob("*.py"), (construction / (package or ".")).rglob("*.py")
    digest = hashlib.sha256()
    for path in sorted({*shared, *own, *(root / "geo").glob("*.py"), root / "data" / "splits.py"}):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{hf_mlm.__version__}+{digest.hexdigest()[:12]}"


def claim(path: Path, record: dict[str, Any]) -> None:
    """Write what a folder is for, or see that it is for the same.

    Args:
        path: of the record, in the folder.
        record: everything that decides about the build.

    Raises:
        ValueError: if the folder holds a build of something else.
    """
    if not path.is_file():
        write_text(path, json.dumps(record, indent=1, ensure_ascii=False))
        return
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        earlier = {}
    differing = [name for name, value in record.items() if earlier.get(name) != value]
    if differing:
        raise ValueError(
            f"{path.parent} holds a build with another {', '.join(differing)} (see {path.name}); give an empty "
            "folder, or the settings that it was begun with."
        )


_KEPT = {".json", ".safetensors", ".bin", ".txt", ".model"}


def model_revision(name_or_path: str | os.PathLike[str], config: Any) -> str:
    """Commit of a repository of the Hub, or a hash of the files of a local folder (or of a single file).

    Args:
        name_or_path: what was opened.
        config: its configuration, which knows the commit.

    Returns:
        ``"commit <sha>"``, ``"sha256 <hex>"``, or ``"unknown"`` for a repository that tells no commit.
    """
    path = Path(name_or_path)
    if path.is_file():
        return f"sha256 {sha256_of(path)}"
    if not path.is_dir():
        commit = getattr(config, "_commit_hash", None)
        return f"commit {commit}" if commit else "unknown"
    digest = hashlib.sha256()
    for file in sorted(item for item in path.iterdir() if item.is_file() and item.suffix in _KEPT):
        digest.update(f"{file.name}:{sha256_of(file)}\n".encode())
    return f"sha256 {digest.hexdigest()}"
