"""Revisions of MLM: new, changed and gone entities between two builds, and builds as revisions on the Hub."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hf_mlm.construction.cards.card import PROVENANCE, UNSTATED, images_by_licence
from hf_mlm.construction.mlm.dataset import CONTENT, ENTITIES, LICENCES
from hf_mlm.files import write_text
from hf_mlm.publishing.cards import markdown_table
from hf_mlm.publishing.hub import check_repo_id, hub_error_messages, open_repository


CHANGES, REPORT = "changes.json", "CHANGES.md"
_SHOWN = 20  # entities of a kind in the report


@dataclass(frozen=True)
class Changes:
    """Differences between two builds.

    Attributes:
        old: hash of the content of the earlier build, whatever its number of files and the order of its rows.
        new: the same of the later one.
        kept: number of entities without any difference.
        added: ids of new entities.
        gone: ids of entities that are no more.
        changed: id -> its parts that differ, of ``"texts"``, ``"facts"`` and ``"images"``.
    """

    old: str
    new: str
    kept: int
    added: list[str]
    gone: list[str]
    changed: dict[str, list[str]]

    def to_markdown(self) -> str:
        """A report of counts, and of the first entities of each kind."""
        parts = Counter(part for listed in self.changed.values() for part in listed)
        rows = [["unchanged", self.kept], ["new", len(self.added)], ["gone", len(self.gone)]]
        rows += [
            ["changed", len(self.changed)],
            *([f"changed {part}", count] for part, count in sorted(parts.items())),
        ]
        table = markdown_table(["entities", "number"], [[str(name), f"{count:,}"] for name, count in rows])
        lists = {"New": self.added, "Gone": self.gone, "Changed": list(self.changed)}
        told = [f"{name}: {_listed(ids)}" for name, ids in lists.items() if ids]
        return "\n\n".join([f"# Changes\n\nContent `{self.old[:12]}` to `{self.new[:12]}`.", table, *told]) + "\n"


def compare_builds(old: Path, new: Path) -> Changes:
    """Compare the entities of two builds.

    Raises:
        FileNotFoundError: if a folder has no such table.
    """
    before, after = _contents(old), _contents(new)
    changed = {
        item: [part for part, one, other in zip(CONTENT, before[item], after[item], strict=True) if one != other]
        for item in sorted(before.keys() & after.keys(), key=_order)
    }
    different = {item: parts for item, parts in changed.items() if parts}
    return Changes(
        _digest(before),
        _digest(after),
        len(changed) - len(different),
        sorted(after.keys() - before.keys(), key=_order),
        sorted(before.keys() - after.keys(), key=_order),
        different,
    )


def publish_build(
    dataset: Path, repo_id: str, tag: str | None = None, private: bool = False, rights_cleared: bool = False
) -> tuple[str, Changes | None]:
    """Upload a build as the next revision of a dataset on the Hub, with the changes since the one that is there.

    Args:
        dataset: folder ``dataset`` of a finished build; the report of changes is written into it.
        repo_id: ``"namespace/name"``.
        tag: of the revision; the date of the dump when omitted.
        private: true for a repository that only its namespace may read.
        rights_cleared: true if images without a stated licence may be published.

    Returns:
        address of the revision, and the changes; None for the first.

    Raises:
        FileNotFoundError: if the build is not finished.
        ValueError: if a licence is not stated, or the Hub refuses something.
        ConnectionError, PermissionError: as `hub_error_messages` tells.
    """
    from huggingface_hub import HfApi

    check_repo_id(repo_id)
    if not (dataset / PROVENANCE).is_file():
        raise FileNotFoundError(f"Expected a finished build in {dataset}, found no {PROVENANCE}; run the build again.")
    unstated = images_by_licence(dataset.glob(f"{LICENCES}/*.parquet")).get(UNSTATED, 0)
    if unstated and not rights_cleared:
        raise ValueError(
            f"Expected a licence of every image, found none of {unstated:,}; pass --rights_cleared if you may."
        )
    record = json.loads((dataset / PROVENANCE).read_text(encoding="utf-8"))["build"]
    revision, api = tag or record["source"].get("date") or record["code"].replace("+", "-"), HfApi()
    with hub_error_messages(repo_id):
        open_repository(api, repo_id, "dataset", private)
        changes = _changes_since(api, repo_id, dataset)
        if changes is not None:
            write_changes(changes, dataset)
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=dataset,
            repo_type="dataset",
            commit_message=f"Build of {revision}",
            ignore_patterns=["[0-9]*.json", "manifest.json", ".*"],
            delete_patterns=["*/*.parquet", CHANGES, REPORT],
        )
        api.create_tag(repo_id, tag=revision, repo_type="dataset", exist_ok=True)
    return str(commit), changes


def write_changes(changes: Changes, folder: Path) -> None:
    """Write ``changes.json`` and ``CHANGES.md`` into a folder."""
    write_text(folder / CHANGES, json.dumps(asdict(changes), indent=1))
    write_text(folder / REPORT, changes.to_markdown())


def _changes_since(api: Any, repo_id: str, dataset: Path) -> Changes | None:
    if not any(name.startswith(f"{ENTITIES}/") for name in api.list_repo_files(repo_id, repo_type="dataset")):
        return None
    return compare_builds(
        Path(api.snapshot_download(repo_id, repo_type="dataset", allow_patterns=f"{ENTITIES}/*.parquet")), dataset
    )


def _contents(folder: Path) -> dict[str, tuple[str, ...]]:
    paths = sorted(folder.glob(f"{ENTITIES}/*.parquet"))
    if not paths:
        raise FileNotFoundError(
            f"Expected a table {ENTITIES} in {folder}, found none; name the dataset folder of a build."
        )
    rows = (row for path in paths for row in pq.read_table(path, columns=["entity_id", *CONTENT]).to_pylist())
    return {row["entity_id"]: tuple(row[part] for part in CONTENT) for row in rows}


def content_hash(dataset: Path) -> str:
    """Hash of the content of all entities, whatever the number of files and the order of rows."""
    return _digest(_contents(dataset))


def _digest(contents: dict[str, tuple[str, ...]]) -> str:
    lines = (f"{item} {' '.join(contents[item])}\n" for item in sorted(contents, key=_order))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _order(item: str) -> int:
    return int(item[1:])


def _listed(ids: Iterable[str]) -> str:
    named = list(ids)
    more = f" and {len(named) - _SHOWN:,} more" if len(named) > _SHOWN else ""
    return ", ".join(f"[{item}](https://www.wikidata.org/wiki/{item})" for item in named[:_SHOWN]) + more
