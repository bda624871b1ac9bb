"""Conversion to Parquet: the same rows, shard by shard, whatever happens on the way."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

import hf_mlm  # noqa: F401
from hf_mlm.data.convert import convert
from hf_mlm.data.mlm.layout import MANIFEST
from hf_mlm.data.mlm.parquet import Manifest, open_manifest
from hf_mlm.data.mlm.rows import row_hashes
from hf_mlm.files import locked


@pytest.fixture
def source(tmp_path: Path, make_entities: Any, write_final: Any) -> Path:
    write_final(tmp_path / "source" / "train.h5", make_entities(range(10)))
    write_final(tmp_path / "source" / "test.h5", make_entities(range(20, 23)))
    return tmp_path / "source"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rows(folder: Path) -> list[dict[str, Any]]:
    _, shards = open_manifest(folder / MANIFEST, "float32")
    return [row for shard in shards["train"] for table in shard.tables() for row in table.to_pylist()]


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}


def test_shards_and_manifest(source: Path, tmp_path: Path) -> None:
    assert convert(source, tmp_path / "out", rows_per_shard=4) == tmp_path / "out" / MANIFEST
    shards = [f"train-{number:05d}-of-00003.parquet" for number in range(3)]
    assert names(tmp_path / "out") == [MANIFEST, "test-00000-of-00001.parquet", *shards]
    manifest = Manifest.load(tmp_path / "out" / MANIFEST)
    assert manifest.planned == {"train": [4, 4, 2], "test": [3]}
    for entry in manifest.shards["train"]:
        table = pq.read_table(tmp_path / "out" / entry.name).replace_schema_metadata(None)
        assert table.schema == manifest.spec.features("float32").arrow_schema
        assert row_hashes(table) == entry.rows
    assert [row["entity_id"] for row in rows(tmp_path / "out")] == [f"Q{number}" for number in range(10)]


def test_a_second_run_writes_nothing(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out", rows_per_shard=4)
    before = times(tmp_path / "out")
    convert(source, tmp_path / "out", rows_per_shard=4)
    assert times(tmp_path / "out") == before


@pytest.mark.parametrize("damage", ["flipped", "truncated", "deleted", "other rows"])
def test_a_second_run_mends_what_is_damaged(damage: str, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    convert(source, folder, rows_per_shard=4)
    good, before = rows(folder), times(folder)
    path = folder / "train-00001-of-00003.parquet"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[200] ^= 0xFF
        path.write_bytes(content)
    elif damage == "truncated":
        path.write_bytes(content[:-50])
    elif damage == "deleted":
        path.unlink()
    else:
        path.write_bytes((folder / "train-00000-of-00003.parquet").read_bytes())
    convert(source, folder, rows_per_shard=4)
    assert rows(folder) == good
    assert {name for name, when in times(folder).items() if when != before[name]} == {path.name}


SLOW = """
import sys, time
from hf_mlm.data import convert
write = convert._write
def slow(*arguments):
    hashes = write(*arguments)
    time.sleep(0.3)
    return hashes
convert._write = slow
convert.convert(sys.argv[1], sys.argv[2], rows_per_shard=2)
"""


def test_a_killed_conversion_goes_on_where_it_stopped(source: Path, tmp_path: Path) -> None:
    folder, manifest = tmp_path / "out", tmp_path / "out" / MANIFEST
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(source), str(folder)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (manifest.exists() and len(Manifest.load(manifest).shards["train"]) >= 2):
        assert process.poll() is None and time.monotonic() < deadline, "the conversion ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done, before = len(Manifest.load(manifest).shards["train"]), times(folder)
    assert 2 <= done < 5
    with pytest.raises(ValueError, match="is not finished; run the same `hf-mlm data convert` again"):
        open_manifest(manifest, "float32")
    convert(source, folder, rows_per_shard=2)
    finished = [f"train-{number:05d}-of-00005.parquet" for number in range(done)]
    assert {name: times(folder)[name] for name in finished} == {name: before[name] for name in finished}
    convert(source, tmp_path / "at once", rows_per_shard=2)
    assert rows(folder) == rows(tmp_path / "at once")
    assert names(folder) == names(tmp_path / "at once")


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
from hf_mlm.data.convert import convert
convert(sys.argv[1], sys.argv[2], rows_per_shard=2)
"""


def test_a_full_disk_says_so_and_leaves_finished_shards_only(
    tmp_path: Path, make_entities: Any, write_final: Any
) -> None:
    """The kernel refuses to let files grow beyond a limit, which only the second shard exceeds."""
    source, folder = tmp_path / "source", tmp_path / "out"
    entities = make_entities(range(4))
    entities[3]["images"] = np.random.default_rng(0).normal(size=(20_000, 4)).astype("f4")
    write_final(source / "train.h5", entities)
    run = subprocess.run([sys.executable, "-c", LIMITED, str(source), str(folder)], capture_output=True, text=True)
    assert f"OSError: no room is left to write in {folder}" in run.stderr
    assert "run the same command again" in run.stderr
    assert names(folder) == [MANIFEST, "train-00000-of-00002.parquet"]
    convert(source, folder, rows_per_shard=2)
    assert [row["entity_id"] for row in rows(folder)] == ["Q0", "Q1", "Q2", "Q3"]


def test_a_damaged_source_leaves_no_half_shard(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    write_final(tmp_path / "source" / "train.h5", make_entities(range(6)), **{"3_images": np.full((1, 4), np.nan)})
    with pytest.raises(ValueError, match="'3_images' holds 4 values that are NaN"):
        convert(tmp_path / "source", tmp_path / "out", rows_per_shard=2)
    assert names(tmp_path / "out") == [MANIFEST, "train-00000-of-00003.parquet"]


def test_what_the_disk_gives_back_is_compared(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_mlm.data.convert._read_hashes", lambda path, manifest: ["0" * 16])
    with pytest.raises(OSError, match="did not read back as it was written"):
        convert(source, tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_a_source_that_was_mended_is_converted_by_the_same_command(
    tmp_path: Path, make_entities: Any, write_final: Any
) -> None:
    for damage in ({"3_images": np.full((1, 4), np.nan)}, {}):
        write_final(tmp_path / "source" / "train.h5", make_entities(range(6)), **damage)
        if damage:
            with pytest.raises(ValueError, match="'3_images' holds 4 values that are NaN"):
                convert(tmp_path / "source", tmp_path / "out")
            assert names(tmp_path / "out") == []
    convert(tmp_path / "source", tmp_path / "out")
    assert len(rows(tmp_path / "out")) == 6


@pytest.mark.parametrize("change", [{"dtype": "float16"}, {"rows_per_shard": 3}, {"seed": 1}])
def test_a_folder_with_another_conversion_is_refused(change: dict[str, Any], source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out", rows_per_shard=4)
    with pytest.raises(ValueError, match="holds a conversion of other files or with other settings"):
        convert(source, tmp_path / "out", **{"rows_per_shard": 4, **change})


def test_what_cannot_be_converted_is_said(source: Path, tmp_path: Path, shared_data: Path) -> None:
    convert(source, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="holds a conversion already; HDF5 features are what can be converted"):
        convert(tmp_path / "out", tmp_path / "again")
    with pytest.raises(FileNotFoundError, match="holds raw files, not features"):
        convert(shared_data / "mlm" / "infer_samples", tmp_path / "again")
    with pytest.raises(ValueError, match="cannot be both source and target"):
        convert(source, source)
    with pytest.raises(ValueError, match="only the features of irle and irle-gr can be converted, not 'mlm'"):
        convert(source, tmp_path / "again", config="mlm")
    with pytest.raises(ValueError, match="dtype .*float32, float16.*'int8'"):
        convert(source, tmp_path / "again", dtype="int8")
    assert not (tmp_path / "again").exists()


def test_the_manifest_tells_no_path_of_this_machine(source: Path, tmp_path: Path) -> None:
    assert str(tmp_path) not in json.dumps(convert(source, tmp_path / "out").read_text())


def test_one_changed_bit_of_a_shard_is_noticed(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    write_final(tmp_path / "source" / "train.h5", make_entities(range(7)))
    convert(tmp_path / "source", tmp_path / "out")
    path = next((tmp_path / "out").glob("train-*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"train-.* is damaged: its checksum .*; delete it and run `hf-mlm data conv"):
        load_dataset("mlm", "irle", data_dir=str(tmp_path / "out"))
    path.unlink()
    convert(tmp_path / "source", tmp_path / "out")
    assert len(load_dataset("mlm", "irle", data_dir=str(tmp_path / "out"))["train"]) == 7


def test_two_conversions_into_one_folder_are_refused(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    write_final(tmp_path / "source" / "train.h5", make_entities(range(7)))
    with locked(tmp_path / "out", "convert"), pytest.raises(BlockingIOError, match="Expected to convert alone in"):
        convert(tmp_path / "source", tmp_path / "out")
