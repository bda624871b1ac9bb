"""Batches: nothing lost, nothing doubled, none too large."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import run_stage
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.manifest import StageManifest, code_version
from hf_mlm.construction.stage import Block, ReadStage, Stage, batched, forget_unfinished, to_document


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
    assert manifest.facts == {"top": 3000} and manifest.code == code_version()
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
    with pytest.raises(FileNotFoundError, match="the stage 'numbers' is not finished"):
        list(ReadStage(tmp_path / "numbers").rows())
    run_stage(stage(tmp_path))
    with pytest.raises(ValueError, match="written by 2 tasks and is read by 3"):
        list(ReadStage(tmp_path / "numbers").rows(0, 3))
    path = tmp_path / "numbers" / "00001.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="missing or incomplete"):
        list(ReadStage(tmp_path / "numbers").rows(1, 2))
    path.write_bytes(b"x" * len(whole))
    with pytest.raises(ValueError, match="cannot be read"):
        list(ReadStage(tmp_path / "numbers").rows(1, 2))
    (tmp_path / "numbers" / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="is not a manifest"):
        list(ReadStage(tmp_path / "numbers").rows())


def test_stage_batches() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]] and list(batched([], 2)) == []


def test_what_killed_writers_have_left_goes(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.parquet.part", "below/.b.json.1f.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    forget_unfinished(tmp_path)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["a.parquet"]
