"""The three layouts, read back from files that an independent writer made (see conftest), and everything malformed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_mlm.data.formats.feature_table import FeatureRow, FeatureSpec
from hf_mlm.data.formats.hdf5 import FeatureFiles, FeatureReader, HDF5Shard


h5py = pytest.importorskip("h5py")
IDS = (64, 90, 84, 23178)


def rows_of(path: Path) -> list[FeatureRow]:
    with FeatureReader(FeatureFiles.single(path)) as reader:
        return [reader.row(number) for number in reader.ids.tolist()]


def assert_vectors(row: FeatureRow, entity: dict[str, Any]) -> None:
    np.testing.assert_array_equal(row.images, entity["images"])
    np.testing.assert_array_equal(row.summaries, np.stack(list(entity["summaries"].values())))


def test_final_file(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    entities = make_entities(IDS)
    path = write_final(tmp_path / "train.h5", entities)
    rows = rows_of(path)
    assert [row.entity_id for row in rows] == ["Q64", "Q90", "Q84", "Q23178"]
    for row, entity in zip(rows, entities.values(), strict=True):
        assert_vectors(row, entity)
        np.testing.assert_array_equal(row.classes, entity["classes"])
        assert (row.cell, row.languages, row.position) == (entity["cell"], None, None)
        assert row.cell_position == tuple(entity["coordinates"].tolist())


def test_widths_of_the_published_files(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    path = write_final(tmp_path / "train.h5", make_entities([1], sizes=(4096, 3072), cells=990))
    with FeatureReader(FeatureFiles.single(path)) as reader:
        assert reader.spec == FeatureSpec(4096, 3072, 3072, num_cells=990)


def test_pilot_file_swaps_longitude_and_latitude_back(tmp_path: Path, make_entities: Any, write_pilot: Any) -> None:
    entities = make_entities(IDS)
    rows = rows_of(write_pilot(tmp_path / "val_pilot.h5", entities))
    for row, entity in zip(rows, entities.values(), strict=True):
        assert_vectors(row, entity)
        assert row.languages == list(entity["summaries"])
        assert row.position == tuple(entity["coordinates"].tolist())
        assert (row.cell, row.cell_position, row.classes.shape) == (None, None, (0, 3))


def test_intermediate_files(tmp_path: Path, make_entities: Any, write_intermediate: Any) -> None:
    entities = make_entities(IDS)
    folder = write_intermediate(tmp_path, entities)
    files = FeatureFiles(
        folder / "images/images.h5",
        folder / "summaries/summaries_bert.h5",
        folder / "classes/classes_bert.h5",
        folder / "coordinates/coordinates.h5",
    )
    with FeatureReader(files) as reader:
        for number, entity in entities.items():
            row = reader.row(number)
            assert_vectors(row, entity)
            np.testing.assert_array_equal(row.classes, entity["classes"])
            assert (row.languages, row.cell) == (list(entity["summaries"]), entity["cell"])


def test_entities_without_images_or_summaries_are_left_out(
    tmp_path: Path, make_entities: Any, write_intermediate: Any
) -> None:
    entities = make_entities(IDS)
    folder = write_intermediate(tmp_path, entities)
    write_intermediate(tmp_path / "fewer", {number: entities[number] for number in (84, 64)})
    files = FeatureFiles(
        tmp_path / "fewer/images/images.h5",
        folder / "summaries/summaries_bert.h5",
        None,
        folder / "coordinates/coordinates.h5",
    )
    with FeatureReader(files) as reader:
        assert reader.ids.tolist() == [64, 84]  # in the order of the file of cells


def test_cells_may_be_numbers(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    numbers = {"64_onehot": np.int64(7), "90_onehot": np.array([2])}
    path = write_final(tmp_path / "train.h5", make_entities((64, 90)), **numbers)
    with FeatureReader(FeatureFiles.single(path)) as reader:
        assert (reader.spec.num_cells, reader.cells_are_numbers) == (8, True)
        assert [reader.row(number).cell for number in (64, 90)] == [7, 2]


def test_what_no_entity_has_is_none(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    absent = {f"{number}_{field}": None for number in IDS for field in ("classes", "onehot", "coordinates")}
    row = rows_of(write_final(tmp_path / "train.h5", make_entities(IDS), **absent))[0]
    assert (row.cell, row.cell_position, row.classes.shape) == (None, None, (0, 3))


def test_shard_gives_its_entities_only_in_its_order(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    files = FeatureFiles.single(write_final(tmp_path / "train.h5", make_entities(IDS)))
    with FeatureReader(files) as reader:
        shard = HDF5Shard(files, np.array([84, 64]), reader.spec)
    (table,) = shard.tables()
    assert (len(shard), table["entity_id"].to_pylist()) == (2, ["Q84", "Q64"])


@pytest.mark.real
def test_the_authors_pilot_file(shared_data: Path) -> None:
    path = shared_data / "mlm" / "val_pilot.h5"
    with FeatureReader(FeatureFiles.single(path)) as reader, h5py.File(path) as file:
        assert reader.spec == FeatureSpec(2048, 2048, 2048, has_positions=True)
        assert len(reader.ids) == 30
        for number in reader.ids.tolist():
            row = reader.row(number)
            longitude, latitude = file[f"{number}_coords"][:].tolist()
            assert (row.position, row.languages) == ((latitude, longitude), ["en", "de", "fr"])
            np.testing.assert_array_equal(row.images, file[f"{number}_images"][:])
            np.testing.assert_array_equal(row.summaries[1], file[f"{number}_dewiki"][:])


NAN, HUGE = np.full((1, 4), np.nan, "f4"), np.full((1, 4), np.inf, "f4")
MALFORMED = {
    "a missing field": ({"90_images": None}, "no dataset '90_images'"),
    "a missing optional field": ({"90_onehot": None}, "no dataset '90_onehot'"),
    "an optional field only later": ({"64_classes": None}, "has '90_classes', but no '64_classes'"),
    "another width": ({"90_images": np.ones((1, 5), "f4")}, r"'90_images' has shape \(1, 5\) where \(vectors, 4\)"),
    "another number of cells": ({"90_onehot": np.eye(6, dtype="f4")[0]}, r"'90_onehot' has shape \(6,\) where \(5,\)"),
    "a vector for a matrix": ({"90_summaries": np.ones(3, "f4")}, r"'90_summaries' has shape \(3,\)"),
    "NaN": ({"90_images": NAN}, "'90_images' holds 4 values that are NaN or infinite"),
    "infinity": ({"90_images": HUGE}, "'90_images' holds 4 values that are NaN or infinite"),
    "no cell": ({"90_onehot": np.zeros(5, "f4")}, "'90_onehot' is not one-hot: 0 of its values"),
    "two cells": ({"90_onehot": np.ones(5, "f4")}, "'90_onehot' is not one-hot: 5 of its values"),
    "off the earth": ({"90_coordinates": np.array([120.0, 10.0], "f4")}, "'90_coordinates': latitude 120.0"),
    "strings": ({"90_images": np.array([[b"a"]])}, "'90_images' cannot be read"),
    "an id twice": ({"ids": [64, 90, 64]}, "entity 64 occurs more than once"),
    "ids of another kind": ({"ids": [[64, 90]]}, r"'ids' must be a vector of integers, got shape \(1, 2\)"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_are_named_with_key_and_remedy(
    case: str, tmp_path: Path, make_entities: Any, write_final: Callable[..., Path]
) -> None:
    edits, message = MALFORMED[case]
    path = write_final(tmp_path / "train.h5", make_entities((64, 90)), **edits)
    with pytest.raises(ValueError, match=message) as caught:
        rows_of(path)
    assert str(path) in str(caught.value)


def test_an_entity_without_a_summary_in_any_language(tmp_path: Path, make_entities: Any, write_pilot: Any) -> None:
    entities = make_entities((64, 90))
    entities[90]["summaries"] = {}
    with pytest.raises(ValueError, match="entity 90 has no summary in any of en, de, fr"):
        rows_of(write_pilot(tmp_path / "val_pilot.h5", entities))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_truncated_file_says_so(share: float, tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    path = write_final(tmp_path / "train.h5", make_entities(IDS))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"train\.h5 cannot be opened as HDF5 .* fetch it again"):
        rows_of(path)


def test_a_damaged_chunk_says_which(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    path = write_final(tmp_path / "train.h5", make_entities(IDS))
    with h5py.File(path) as file:
        chunk = file["84_images"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="'84_images' cannot be read"):
        rows_of(path)


def test_a_file_without_ids(tmp_path: Path) -> None:
    path = tmp_path / "train.h5"
    with h5py.File(path, "w") as file:
        file["64_images"] = np.ones((1, 4), "f4")
    with pytest.raises(ValueError, match="has no dataset 'ids'"):
        rows_of(path)
