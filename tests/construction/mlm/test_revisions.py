"""Changes between two builds, and builds as revisions of a dataset on a stand-in for the Hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_mlm.construction.mlm.revisions import compare_builds, content_hash, publish_build


def write(folder: Path, rows: dict[str, str], files: int = 1) -> Path:
    """A dataset folder of entities, whose digests are one letter each: texts, facts and images."""
    items = list(rows.items())
    for number in range(files):
        part = [
            {"entity_id": item, **dict(zip(("texts", "facts", "images"), letters, strict=True))}
            for item, letters in items[number::files]
        ]
        path = folder / "entity_sources" / f"entity_sources-{number:05d}-of-{files:05d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(part), path)
    (folder / "provenance.json").write_text(
        json.dumps({"build": {"code": "0.1.0+ab", "source": {"date": "20260105"}}})
    )
    return folder


OLD = {"Q1": "aaa", "Q2": "aaa", "Q10": "aaa", "Q3": "aaa"}


def test_changes_are_told_by_entity_and_part(tmp_path: Path) -> None:
    old, new = (
        write(tmp_path / "old", OLD),
        write(tmp_path / "new", {"Q1": "aaa", "Q2": "bab", "Q3": "aba", "Q4": "a" * 3}),
    )
    changes = compare_builds(old, new)
    assert (changes.kept, changes.added, changes.gone) == (1, ["Q4"], ["Q10"])
    assert changes.changed == {"Q2": ["texts", "images"], "Q3": ["facts"]}
    report = changes.to_markdown()
    assert "| new | 1 |" in report and "| changed images | 1 |" in report and "wiki/Q10)" in report


def test_the_order_of_rows_and_files_is_no_change(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one", OLD), write(tmp_path / "other", dict(reversed(OLD.items())), files=3)
    assert content_hash(one) == content_hash(other) and compare_builds(one, other).kept == 4
    with pytest.raises(FileNotFoundError, match="Expected a table entity_sources in .*empty"):
        compare_builds(tmp_path / "empty", one)


class Hub:
    """Keeps a copy of what was uploaded."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tags = folder, list[str]()

    def create_repo(self, *_: Any, **__: Any) -> None:
        self.folder.mkdir(exist_ok=True)

    def list_repo_files(self, *_: Any, **__: Any) -> list[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()]

    def snapshot_download(self, *_: Any, **__: Any) -> str:
        return str(self.folder)

    def upload_folder(self, folder_path: Path, **options: Any) -> str:
        assert options["delete_patterns"] and options["repo_type"] == "dataset"
        shutil.rmtree(self.folder)
        shutil.copytree(folder_path, self.folder)
        return "https://hub/commit"

    def create_tag(self, *_: Any, tag: str, **__: Any) -> None:
        self.tags.append(tag)


def test_builds_are_published_as_revisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    old, new = write(tmp_path / "old", OLD), write(tmp_path / "new", OLD | {"Q5": "aaa"})
    assert publish_build(old, "me/mlm") == ("https://hub/commit", None)
    _, changes = publish_build(new, "me/mlm", tag="second")
    assert changes and changes.added == ["Q5"] and hub.tags == ["20260105", "second"]
    assert "| new | 1 |" in (hub.folder / "CHANGES.md").read_text()
    _, again = publish_build(new, "me/mlm", tag="second")
    assert again and again.kept == 5 and again.old == again.new
    with pytest.raises(ValueError, match="no namespace"):
        publish_build(new, "mlm")
    licences = new / "image_licences" / "image_licences-00000-of-00001.parquet"
    licences.parent.mkdir()
    pq.write_table(pa.table({"licence": ["CC0", None]}), licences)
    with pytest.raises(ValueError, match="found none of 1; pass --rights_cleared"):
        publish_build(new, "me/mlm")
    assert publish_build(new, "me/mlm", rights_cleared=True)[0]
