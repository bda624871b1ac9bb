"""The three layouts, read back from files that an independent writer made (see conftest), and everything malformed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_mlm.data.mlm.hdf5 import FeatureFiles, FeatureReader, FeatureStore, HDF5Shard
from hf_mlm.data.mlm.rows import FeatureRow, FeatureSpec


h5py = pytest.importorskip("h5py")


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(**arrays: Any) -> FeatureStore:
        with h5py.File(tmp_path / "store.h5", "w") as file:
            for name, array in arrays.items():
                file[name] = array
        return FeatureStore(tmp_path / "store.h5")

    return write


def test_ids_in_the_order_of_the_file(write: Any) -> None:
    assert write(ids=np.array([3, 1, 2], "u2")).ids().tolist() == [3, 1, 2]


def test_vectors_drop_a_leading_axis_and_become_float32(write: Any) -> None:
    expected = np.arange(6, dtype="f4").reshape(2, 3)
    with write(a=expected[None].astype("f8"), b=expected, c=np.empty((0, 3), "f4")) as store:
        for name in ("a", "b"):
            assert store.vectors(name, 3).dtype == np.float32
            np.testing.assert_array_equal(store.vectors(name, 3), expected)
        assert store.vectors("c").shape == (0, 3)


def test_a_cell_is_one_hot_or_an_index(write: Any) -> None:
    store = write(hot=np.eye(5, dtype="f4")[3], only=np.ones(1, "f4"), index=np.int32(7), boxed=np.array([7]))
    assert store.cell("hot") == (3, 5)
    assert store.cell("only") == (0, 1)  # the one cell of one, not the index 1
    assert store.cell("index") == store.cell("boxed") == (7, None)


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda store: store.vector("matrix"), r"'matrix' has shape \(2, 3\) where \(width,\) is expected"),
        (lambda store: store.vectors("matrix", 4), r"'matrix' has shape \(2, 3\) where \(vectors, 4\) is expected"),
        (lambda store: store.vectors("deep"), r"'deep' has shape \(2, 2, 3\)"),
        (lambda store: store.cell("scaled"), "'scaled' is not one-hot: 1 of its values"),
        (lambda store: store.cell("negative"), "'negative' is -1, but cells are numbered from 0"),
        (lambda store: store.vectors("folder"), "'folder' cannot be read|has no dataset 'folder'"),
        (lambda store: store.vectors("nothing"), "has no dataset 'nothing'"),
    ],
)
def test_what_is_not_as_expected(read: Any, message: str, write: Any) -> None:
    matrix = np.ones((2, 3), "f4")
    arrays = {
        "matrix": matrix,
        "deep": np.stack([matrix, matrix]),
        "scaled": 2 * np.eye(3)[1],
        "negative": np.int8(-1),
    }
    with write(**arrays, **{"folder/inner": matrix}) as store, pytest.raises(ValueError, match=message):
        read(store)


def test_no_file_is_left_open(write: Any, tmp_path: Path) -> None:
    with write(a=np.ones((1, 1))):
        pass
    with h5py.File(tmp_path / "store.h5", "r+") as file:  # would fail if another handle were open for reading
        assert list(file) == ["a"]


def test_h5py_is_asked_for_when_it_is_needed(write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(a=np.ones((1, 1)))
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match=r"pip install 'hf-mlm\[hdf5\]'"):
        FeatureStore(tmp_path / "store.h5")


h5py_hdf5 = pytest.importorskip("h5py")
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
    with FeatureReader(FeatureFiles.single(path)) as reader, h5py_hdf5.File(path) as file:
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
    with h5py_hdf5.File(path) as file:
        chunk = file["84_images"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="'84_images' cannot be read"):
        rows_of(path)


def test_a_file_without_ids(tmp_path: Path) -> None:
    path = tmp_path / "train.h5"
    with h5py_hdf5.File(path, "w") as file:
        file["64_images"] = np.ones((1, 4), "f4")
    with pytest.raises(ValueError, match="has no dataset 'ids'"):
        rows_of(path)


def replace_images(path: Path, write: Any) -> None:
    with h5py_hdf5.File(path, "r+") as file:
        del file["84_images"]
        write(file)


def virtual(file: Any) -> None:
    layout = h5py_hdf5.VirtualLayout((1, 4), "f4")
    layout[:] = h5py_hdf5.VirtualSource(file.filename + ".other", "x", (1, 4))
    file.create_virtual_dataset("84_images", layout)


FOREIGN = {
    "bytes of another file": lambda file: file.create_dataset(
        "84_images", (1, 4), "f4", external=[("/etc/passwd", 0, 16)]
    ),
    "a virtual dataset": virtual,
    "a link to another file": lambda file: file.__setitem__(
        "84_images", h5py_hdf5.ExternalLink(file.filename + ".other", "x")
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_values_in_another_file_are_refused(case: str, tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    path = write_final(tmp_path / "train.h5", make_entities(IDS))
    with h5py_hdf5.File(f"{path}.other", "w") as other:
        other["x"] = np.ones((1, 4), "f4")
    replace_images(path, FOREIGN[case])
    with pytest.raises(ValueError, match="'84_images' cannot be read .its values lie in another file"):
        rows_of(path)


def test_a_dataset_of_a_tebibyte_is_refused_unread(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    path = write_final(tmp_path / "train.h5", make_entities(IDS))
    replace_images(path, lambda file: file.create_dataset("84_images", (2**36, 4), "f4", chunks=(1024, 4)))
    with pytest.raises(ValueError, match="'84_images' .*claims 1,099,511,627,776 bytes"):
        rows_of(path)


def test_links_in_circles_are_told(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    path = write_final(tmp_path / "train.h5", make_entities(IDS))
    replace_images(path, lambda file: file.__setitem__("84_images", h5py_hdf5.SoftLink("/84_images")))
    with pytest.raises(ValueError, match="'84_images' cannot be read"):
        rows_of(path)


def test_negative_ids_are_refused(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    with pytest.raises(ValueError, match="'ids' holds -1"):
        rows_of(write_final(tmp_path / "train.h5", make_entities([-1, 5])))
