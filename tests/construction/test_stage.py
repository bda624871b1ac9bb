"""Stages: manifests with sums over tasks, versions of code by package, rows and counts in Parquet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import run_stage
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction import stage as module
from hf_mlm.construction.mlm.dump import ReadDump
from hf_mlm.construction.mlm.items import item_schema
from hf_mlm.construction.stage import (
    Block,
    Ledger,
    OutputFile,
    ReadStage,
    Stage,
    StageManifest,
    batched,
    code_version,
    remove_unfinished,
    to_document,
)


def manifest_of(number: int) -> StageManifest:
    ledger = Ledger(Counter({"b": number, "a": 1}), Counter({"seen": 2}), {f"in-{number}": "hash"}, {"date": "x"})
    return StageManifest.of_task("stage", [OutputFile(f"{number}.parquet", 10, 5, "abc")], ledger)


def test_tasks_are_merged() -> None:
    merged = StageManifest.merged([manifest_of(1), manifest_of(2)])
    assert merged.rows == 10 and merged.dropped == {"a": 2, "b": 3} and merged.noted == {"seen": 4}
    assert list(merged.dropped) == ["a", "b"] and set(merged.inputs) == {"in-1", "in-2"}
    assert merged.facts == {"date": "x"} and [file.name for file in merged.files] == ["1.parquet", "2.parquet"]


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    manifest_of(1).save(tmp_path / "manifest.json")
    loaded = StageManifest.load(tmp_path / "manifest.json")
    assert loaded == manifest_of(1) and loaded.sha256 == manifest_of(1).sha256 != manifest_of(2).sha256
    content = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(content | {"format": "older"}))
    with pytest.raises(ValueError, match="Expected a manifest of this version"):
        StageManifest.load(tmp_path / "manifest.json")


def test_a_file_is_there_if_its_size_is(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"12345")
    file = OutputFile.of(path, 3, tmp_path)
    assert file == OutputFile("a.parquet", 5, 3, "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5")
    path.write_bytes(b"1234")
    assert not file.is_in(tmp_path)


def test_code_of_other_packages_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {"construction/mlm", "construction/mmnerd", "data/mlm", "data/mmnerd", "geo"}
    for name in {name.replace(".", "/") for names in module.SOURCES.values() for name in names}:
        path = tmp_path / (f"{name}/a.py" if name in folders else f"{name}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.setattr(module, "__file__", str(tmp_path / "construction" / "stage.py"))
    version = code_version.__wrapped__
    before = {package: version(package) for package in ("mlm", "mmnerd", None)}
    assert len(set(before.values())) == 3
    (tmp_path / "construction/mmnerd/a.py").write_text("changed")
    assert {package for package in before if version(package) != before[package]} == {"mmnerd", None}
    (tmp_path / "data/splits.py").write_text("changed")
    assert all(version(package) != before[package] for package in before)
    (tmp_path / "data/splits.py").unlink()
    with pytest.raises(FileNotFoundError, match="splits.py"):
        version("mlm")


def test_a_stage_knows_whose_code_it_runs(tmp_path: Path) -> None:
    schema = item_schema(["en"])
    assert Stage(tmp_path, [ReadStage(tmp_path), ReadDump([], ["en"], "")], schema).package == "mlm"
    assert Stage(tmp_path, [ReadStage(tmp_path)], schema).package is None


@given(st.lists(st.integers()), st.integers(1, 7))
def test_batches(values: list[int], size: int) -> None:
    parts = list(batched(iter(values), size))
    assert [value for part in parts for value in part] == values
    assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1) and all(parts)


SCHEMA = pa.schema({"id": pa.string(), "n": pa.int64()})


class Numbers(Block):
    """Gives the numbers below 3,000 that fall to a task, without the multiples of seven."""

    name = "numbers"

    def run(self, data: Iterable[Any] | None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        self.ledger.facts["top"] = 3000
        for number in range(rank, 3000, world_size):
            if number % 7:
                yield to_document({"id": f"Q{number}", "n": number})
            else:
                self.drop("a multiple of seven")


def stage(folder: Path, tasks: int = 2) -> Stage:
    return Stage(folder / "numbers", [Numbers()], SCHEMA, tasks)


def test_rows_and_counts(tmp_path: Path) -> None:
    manifest = run_stage(stage(tmp_path))
    assert manifest.dropped == {"a multiple of seven": 429} and manifest.rows == 3000 - 429
    assert manifest.facts == {"top": 3000} and manifest.code == code_version(None)
    rows = list(ReadStage(tmp_path / "numbers", whole=True).rows())
    assert sorted(row["n"] for row in rows) == [number for number in range(3000) if number % 7]
    own = list(ReadStage(tmp_path / "numbers").rows(1, 2))
    assert [row["n"] for row in own] == [number for number in range(1, 3000, 2) if number % 7]
    assert run_stage(stage(tmp_path)).sha256 == manifest.sha256 and stage(tmp_path).is_sealed()


def test_a_ledger_starts_anew_with_each_task(tmp_path: Path) -> None:
    one = stage(tmp_path)
    steps = one.pipeline()
    for rank in range(2):
        data: Any = None
        for step in steps:
            data = step(data, rank, 2)
    parts = [StageManifest.load(one.folder / f"0000{rank}.json") for rank in range(2)]
    assert [part.dropped["a multiple of seven"] for part in parts] == [215, 214]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Expected a finished stage 'numbers'"):
        list(ReadStage(tmp_path / "numbers").rows())
    run_stage(stage(tmp_path))
    with pytest.raises(ValueError, match="Expected 3 tasks in .*numbers, found 2"):
        list(ReadStage(tmp_path / "numbers").rows(0, 3))
    path = tmp_path / "numbers" / "00001.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="Expected 7,.* bytes in .*00001.parquet"):
        list(ReadStage(tmp_path / "numbers").rows(1, 2))
    path.write_bytes(b"x" * len(whole))
    with pytest.raises(ValueError, match="Expected Parquet in .*00001.parquet"):
        list(ReadStage(tmp_path / "numbers").rows(1, 2))
    (tmp_path / "numbers" / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="Expected a manifest of this version"):
        list(ReadStage(tmp_path / "numbers").rows())


def test_stage_batches() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]] and list(batched([], 2)) == []


def test_what_killed_writers_have_left_goes(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.parquet.part", "below/.b.json.1f.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["a.parquet"]
