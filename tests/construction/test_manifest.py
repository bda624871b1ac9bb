"""Manifests: sums over tasks, the same bytes, and versions of code by package."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from hf_mlm.construction import manifest as module
from hf_mlm.construction.manifest import Ledger, OutputFile, StageManifest, claim, code_version, model_revision
from hf_mlm.construction.mlm.dump import ReadDump
from hf_mlm.construction.mlm.items import item_schema
from hf_mlm.construction.stage import ReadStage, Stage


def task(number: int) -> StageManifest:
    ledger = Ledger(Counter({"b": number, "a": 1}), Counter({"seen": 2}), {f"in-{number}": "hash"}, {"date": "x"})
    return StageManifest.of_task("stage", [OutputFile(f"{number}.parquet", 10, 5, "abc")], ledger)


def test_tasks_are_merged() -> None:
    merged = StageManifest.merged([task(1), task(2)])
    assert merged.rows == 10 and merged.dropped == {"a": 2, "b": 3} and merged.noted == {"seen": 4}
    assert list(merged.dropped) == ["a", "b"] and set(merged.inputs) == {"in-1", "in-2"}
    assert merged.facts == {"date": "x"} and [file.name for file in merged.files] == ["1.parquet", "2.parquet"]


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    task(1).save(tmp_path / "manifest.json")
    loaded = StageManifest.load(tmp_path / "manifest.json")
    assert loaded == task(1) and loaded.sha256 == task(1).sha256 != task(2).sha256
    content = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(content | {"format": "older"}))
    with pytest.raises(ValueError, match="is not a manifest of this version"):
        StageManifest.load(tmp_path / "manifest.json")


def test_a_file_is_there_if_its_size_is(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"12345")
    file = OutputFile.of(path, 3, tmp_path)
    assert file == OutputFile("a.parquet", 5, 3, "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5")
    path.write_bytes(b"1234")
    assert not file.is_in(tmp_path)


def test_code_of_other_packages_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        "construction/manifest.py",
        "construction/mlm/a.py",
        "construction/mmnerd/b.py",
        "geo/c.py",
        "data/splits.py",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(module, "__file__", str(tmp_path / "construction" / "manifest.py"))
    version = code_version.__wrapped__
    before = {package: version(package) for package in ("mlm", "mmnerd", None)}
    assert len(set(before.values())) == 3
    (tmp_path / "construction/mmnerd/b.py").write_text("changed")
    assert {package for package in before if version(package) != before[package]} == {"mmnerd", None}
    (tmp_path / "geo/c.py").write_text("changed")
    assert all(version(package) != before[package] for package in before)


def test_a_stage_knows_whose_code_it_runs(tmp_path: Path) -> None:
    schema = item_schema(["en"])
    assert Stage(tmp_path, [ReadStage(tmp_path), ReadDump([], ["en"], "")], schema).package == "mlm"
    assert Stage(tmp_path, [ReadStage(tmp_path)], schema).package is None


def test_a_folder_is_for_one_build(tmp_path: Path) -> None:
    path = tmp_path / "build.json"
    claim(path, {"tasks": 2, "edition": {"seed": 0}})
    written = path.read_bytes()
    claim(path, {"tasks": 2, "edition": {"seed": 0}})
    assert path.read_bytes() == written
    with pytest.raises(ValueError, match=r"another edition, dump \(see build.json\); give an empty folder"):
        claim(path, {"tasks": 2, "edition": {"seed": 1}, "dump": "a"})
    path.write_text("{half")
    with pytest.raises(ValueError, match="another tasks"):
        claim(path, {"tasks": 2})


def test_revisions(tmp_path: Path) -> None:
    assert model_revision("me/model", SimpleNamespace(_commit_hash="abc")) == "commit abc"
    assert model_revision("me/model", SimpleNamespace()) == "unknown"
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    own = hashlib.sha256(b"weights").hexdigest()
    assert model_revision(weights, None) == f"sha256 {own}"
    listed = hashlib.sha256(f"model.safetensors:{own}\n".encode()).hexdigest()
    assert model_revision(tmp_path, None) == f"sha256 {listed}"
    (tmp_path / "notes.md").write_text("not what decides")
    assert model_revision(tmp_path, None) == f"sha256 {listed}"
    (tmp_path / "config.json").write_text("{}")
    assert model_revision(tmp_path, None) != f"sha256 {listed}"
