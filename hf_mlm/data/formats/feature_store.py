"""An open HDF5 file of small datasets, one an entity and field, that answers in arrays or in sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hf_mlm.data.formats.checks import check_not_empty, check_unique


class FeatureStore:
    """A read-only HDF5 file; a context manager.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if there is none.
        ImportError: if h5py is not installed.
        ValueError: if the file is empty, truncated, or no HDF5 file.
    """

    def __init__(self, path: Path) -> None:
        check_not_empty(path)
        self.path = path
        self._h5py = _import_h5py()
        try:
            self._file = self._h5py.File(path, "r")
        except OSError as error:
            raise ValueError(
                f"{path} cannot be opened as HDF5 ({_reason(error)}); the copy is incomplete or no HDF5 file: "
                "fetch it again and compare its size and checksum with the source's."
            ) from error

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, name: str) -> bool:
        return name in self._file

    def ids(self) -> NDArray[np.int64]:
        """The integer ids (Wikidata's numbers without the Q) under ``ids``, in the order of the file.

        Raises:
            ValueError: if the dataset is absent, not a vector of integers, or has an id twice.
        """
        ids = self._read("ids", None)
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise ValueError(
                f"{self.path}: 'ids' must be a vector of integers, got shape {ids.shape} of {ids.dtype}; "
                "it lists the numbers of the Wikidata items."
            )
        check_unique(ids.tolist(), str(self.path))
        return ids.astype(np.int64)

    def vector(self, name: str, size: int | None = None) -> NDArray[np.float32]:
        """A dataset of one vector.

        Args:
            name: of the dataset.
            size: the width that it must have, if known.

        Returns:
            float32 (size,).

        Raises:
            ValueError: if it is absent, damaged, of another shape, or holds NaN or infinities.
        """
        values = self._finite(name)
        if values.ndim != 1 or (size is not None and values.shape != (size,)):
            raise self._wrong_shape(name, values.shape, f"({size or 'width'},)")
        return values

    def vectors(self, name: str, size: int | None = None) -> NDArray[np.float32]:
        """A dataset of several vectors; a leading axis of length 1, which some of the files have, is dropped.

        Args:
            name: of the dataset.
            size: the width that they must have, if known.

        Returns:
            float32 (vectors, size).

        Raises:
            ValueError: if it is absent, damaged, of another shape, or holds NaN or infinities.
        """
        values = self._finite(name)
        matrix = values[0] if values.ndim == 3 and len(values) == 1 else values
        if matrix.ndim != 2 or (size is not None and matrix.shape[1] != size):
            raise self._wrong_shape(name, values.shape, f"(vectors, {size or 'width'})")
        return matrix

    def cell(self, name: str, num_cells: int | None = None) -> tuple[int, int | None]:
        """A geographic cell, given as a one-hot vector or as a single integer.

        Args:
            name: of the dataset.
            num_cells: the width that a one-hot vector must have, if known.

        Returns:
            index of the cell, and the width of the one-hot vector (``None`` for an integer).

        Raises:
            ValueError: if the dataset is absent, of another width, or neither one-hot nor an index.
        """
        values = self._read(name, None)
        if values.size == 1 and values.dtype.kind in "iu":
            return self._index(name, int(values.reshape(-1)[0])), None
        if values.ndim != 1 or (num_cells is not None and len(values) != num_cells):
            raise self._wrong_shape(name, values.shape, f"({num_cells or 'cells'},)")
        (hot,) = np.nonzero(values)
        if len(hot) != 1 or values[hot[0]] != 1:
            raise ValueError(
                f"{self.path}: '{name}' is not one-hot: {len(hot)} of its values are not zero, where a single 1 marks "
                "the cell; fetch the file again, or take the entity's id out of 'ids'."
            )
        return int(hot[0]), len(values)

    def _index(self, name: str, index: int) -> int:
        if index < 0:
            raise ValueError(f"{self.path}: '{name}' is {index}, but cells are numbered from 0; correct it.")
        return index

    def _finite(self, name: str) -> NDArray[np.float32]:
        values = self._read(name, np.float32)
        if not np.isfinite(values).all():
            count = int((~np.isfinite(values)).sum())
            raise ValueError(
                f"{self.path}: '{name}' holds {count} values that are NaN or infinite; extract the features of "
                "this entity again or take its id out of 'ids'."
            )
        return values

    def _read(self, name: str, dtype: type[np.float32] | None) -> NDArray[Any]:
        """The whole dataset, through h5py's low-level calls: half the time of ``file[name][()]``."""
        try:
            dataset = self._h5py.h5d.open(self._file.id, name.encode())
            values = np.empty(dataset.shape, dtype or dataset.dtype)
            space = self._h5py.h5s.ALL
            dataset.read(space, space, values)
        except KeyError as error:
            raise ValueError(
                f"{self.path} has no dataset '{name}', which its other contents call for; fetch the file again, or "
                "take the entity's id out of 'ids'."
            ) from error
        except (OSError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self.path}: '{name}' cannot be read ({_reason(error)}); the file is damaged: fetch it again."
            ) from error
        return values

    def _wrong_shape(self, name: str, shape: tuple[int, ...], expected: str) -> ValueError:
        return ValueError(
            f"{self.path}: '{name}' has shape {shape} where {expected} is expected, after the first entity; "
            "extract the features of all entities with the same model."
        )


def _import_h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ImportError("reading HDF5 features needs h5py: pip install 'hf-mlm[hdf5]'.") from error
    return h5py


def _reason(error: Exception) -> str:
    return str(error).strip().strip("'\"") or type(error).__name__
