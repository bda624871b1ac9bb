from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_mlm.data.formats.feature_store import FeatureStore


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
