import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, load_dataset

from hf_mlm.data.mlm.builder import raw_features
from hf_mlm.data.mlm.hdf5 import FeatureFiles, FeatureReader
from hf_mlm.data.mlm.layout import MANIFEST
from hf_mlm.data.mlm.parquet import INDEX, BuiltRows, Manifest, ParquetShard, ShardEntry, open_built, open_manifest
from hf_mlm.data.mlm.rows import FeatureSpec, pack_features


SPEC = FeatureSpec(4, 3, 3, num_cells=5)


@pytest.fixture
def table(tmp_path: Path, make_entities: Any, write_final: Any) -> pa.Table:
    files = FeatureFiles.single(write_final(tmp_path / "train.h5", make_entities(range(5))))
    with FeatureReader(files) as reader:
        return pack_features([reader.row(number) for number in range(5)], SPEC)


@pytest.fixture
def manifest(table: pa.Table, tmp_path: Path) -> Manifest:
    """A finished conversion of one shard."""
    path = tmp_path / "train-0.parquet"
    pq.write_table(table, path)
    entry = ShardEntry(path.name, path.stat().st_size, ["00"] * 5)
    manifest = Manifest("source", "float32", SPEC, {"train": [5]}, {"train": [entry]})
    manifest.save(tmp_path / MANIFEST)
    return manifest


def test_a_manifest_is_read_as_it_was_written(manifest: Manifest, tmp_path: Path) -> None:
    assert Manifest.load(tmp_path / MANIFEST) == manifest
    assert {path.name for path in tmp_path.iterdir()} == {"train.h5", "train-0.parquet", MANIFEST}


def test_shards_are_read_as_they_were_written(manifest: Manifest, table: pa.Table, tmp_path: Path) -> None:
    spec, shards = open_manifest(tmp_path / MANIFEST, "float32")
    (shard,) = shards["train"]
    assert (spec, len(shard)) == (SPEC, 5)
    assert pa.concat_tables(shard.tables()).equals(table)


@pytest.mark.parametrize("rows", [[5, 2], [4]])
def test_an_unfinished_conversion_is_refused(rows: list[int], manifest: Manifest, tmp_path: Path) -> None:
    manifest.planned["train"] = rows
    manifest.save(tmp_path / MANIFEST)
    with pytest.raises(ValueError, match="is not finished; run the same `hf-mlm data convert` again"):
        open_manifest(tmp_path / MANIFEST, "float32")


@pytest.mark.parametrize(("size", "message"), [(None, "is missing"), (10, "has 10 bytes instead of")])
def test_a_missing_shard_is_found_before_reading(
    size: int | None, message: str, manifest: Manifest, tmp_path: Path
) -> None:
    path = tmp_path / "train-0.parquet"
    path.unlink() if size is None else os.truncate(path, size)
    with pytest.raises(ValueError, match=f"train-0.parquet {message}.*it writes what is not there"):
        open_manifest(tmp_path / MANIFEST, "float32")


def test_a_damaged_shard_says_so(tmp_path: Path) -> None:
    path = tmp_path / "train-0.parquet"
    path.write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    with pytest.raises(ValueError, match=r"train-0.parquet cannot be read \(.*; delete it and run"):
        list(ParquetShard(path, SPEC).tables())


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"format": "other", "shards": {}}', "\udcff"])
def test_other_manifests_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match="is not a manifest of this version of hf_mlm"):
        Manifest.load(tmp_path / MANIFEST)


def test_a_manifest_of_another_version_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    content = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(content | {"compression": "none"}))
    with pytest.raises(ValueError, match="is not a manifest of this version of hf_mlm"):
        Manifest.load(tmp_path / MANIFEST)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Two train files and a test file of the config mlm, with Spanish summaries."""
    names = {"train": ["mlm/train-0.parquet", "mlm/train-1.parquet"], "test": ["mlm/test-0.parquet"]}
    (tmp_path / "mlm").mkdir()
    for number, name in enumerate(name for listed in names.values() for name in listed):
        row = {"entity_id": f"Q{number}", "label": "x", "summaries": {"es": "hola"}, "images": [], "classes": ["city"]}
        row |= {"latitude": 1.0, "longitude": 2.0, "country": None}
        Dataset.from_list([row], features=raw_features(None, ["es"])).to_parquet(tmp_path / name)
    sizes = {name: (tmp_path / name).stat().st_size for listed in names.values() for name in listed}
    BuiltRows({"mlm": names}, sizes).save(tmp_path / INDEX)
    return tmp_path / INDEX


def test_load_dataset_reads_them_in_order(index: Path) -> None:
    splits = load_dataset("mlm", "mlm", data_dir=str(index.parent))
    assert {name: split["entity_id"][:] for name, split in splits.items()} == {"train": ["Q0", "Q1"], "test": ["Q2"]}
    assert splits["test"][0]["summaries"] == {"es": "hola"}
    streamed = load_dataset("mlm", "mlm", data_dir=str(index.parent), streaming=True, split="train")
    assert [row["entity_id"] for row in streamed] == ["Q0", "Q1"]


def test_what_is_not_there_is_said(index: Path) -> None:
    with pytest.raises(ValueError, match="rows of 'irle' .*found mlm"):
        open_built(index, "irle")
    path = index.parent / "mlm" / "train-1.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="train-1.parquet is missing or incomplete"):
        open_built(index, "mlm")


def test_one_changed_bit_of_a_file_is_noticed(index: Path) -> None:
    path, generator = index.parent / "mlm" / "train-1.parquet", random.Random(0)
    content = path.read_bytes()
    for number in range(50):
        changed = bytearray(content)
        changed[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        path.write_bytes(changed)
        os.utime(path, ns=(number, number))  # a clock that ticks between two writes
        with pytest.raises(ValueError, match=r"train-1\.parquet is damaged: its checksum .*; write it again"):
            [list(shard.tables()) for shard in open_built(index, "mlm")[1]["train"]]
    path.write_bytes(content)
    assert sum(table.num_rows for shard in open_built(index, "mlm")[1]["train"] for table in shard.tables()) == 2


def test_an_index_without_checksums_opens(index: Path) -> None:
    content = json.loads(index.read_text())
    index.write_text(json.dumps({**content, "sizes": {**content["sizes"], "mlm/train-0.parquet": 1}}))
    with pytest.raises(ValueError, match="is no index .*its checksum is not the one that was noted"):
        open_built(index, "mlm")
    del content["seal"]
    assert set(content.pop("checksums")) == set(content["sizes"])
    index.write_text(json.dumps(content))
    assert [len(shards) for shards in open_built(index, "mlm")[1].values()] == [2, 1]
    index.write_text(json.dumps({**content, "checksums": 3}))
    with pytest.raises(ValueError, match="is no index"):
        open_built(index, "mlm")


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"format": "other"})])
def test_other_files_are_refused(text: str, index: Path) -> None:
    index.write_text(text)
    with pytest.raises(ValueError, match="is no index"):
        open_built(index, "mlm")
