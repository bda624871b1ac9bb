"""Reader of the authors' HDF5 files: small datasets, one for each entity and field; every message of it is here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hf_mlm.data.checks import check_not_empty, check_position, check_unique
from hf_mlm.data.mlm.rows import LANGUAGES, ROWS_PER_TABLE, FeatureRow, FeatureSpec, pack_features
from hf_mlm.files import reason_of


MAX_BYTES = 1 << 26  # of one dataset, whose like in the authors' files has some kilobytes


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
            self._name = self._h5py.h5f.get_name(self._file.id)
        except OSError as error:
            raise ValueError(
                f"{path} cannot be opened as HDF5 ({reason_of(error)}); the copy is incomplete or no HDF5 file: "
                "fetch it again and compare its size and checksum with the source's."
            ) from error

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, name: str) -> bool:
        try:
            return name in self._file
        except (RuntimeError, ValueError) as error:
            reason = reason_of(error)
            raise ValueError(f"{self.path}: {name!r} cannot be looked up ({reason}); fetch the file again.") from error

    def ids(self) -> NDArray[np.int64]:
        """Read ``ids``, the numbers of the Wikidata items without the Q, in the order of the file.

        Raises:
            ValueError: if the dataset is absent, not a vector of integers, or has an id twice.
        """
        ids = self._read("ids", None)
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise ValueError(
                f"{self.path}: 'ids' must be a vector of integers, got shape {ids.shape} of {ids.dtype}; "
                "it lists the numbers of the Wikidata items."
            )
        if len(ids) and ids.min() < 0:
            raise ValueError(f"{self.path}: 'ids' holds {ids.min()}; no Wikidata item has a negative number.")
        check_unique(ids.tolist(), str(self.path))
        return ids.astype(np.int64)

    def vector(self, name: str, size: int | None = None) -> NDArray[np.float32]:
        """Read a dataset of one vector.

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
        """Read a dataset of several vectors; a leading axis of length 1, which some of the files have, is dropped.

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
        """Read a geographic cell, given as a one-hot vector or as a single integer.

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
        """Read a whole dataset through h5py's low-level calls, in half the time of ``file[name][()]``."""
        try:
            dataset = self._h5py.h5d.open(self._file.id, name.encode())
            self._refuse_foreign(name, dataset)
            values = np.empty(dataset.shape, dtype or dataset.dtype)
            space = self._h5py.h5s.ALL
            dataset.read(space, space, values)
        except KeyError as error:
            raise ValueError(
                f"{self.path} has no dataset '{name}', which its other contents call for; fetch the file again, or "
                "take the entity's id out of 'ids'."
            ) from error
        except (OSError, RuntimeError, MemoryError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self.path}: '{name}' cannot be read ({reason_of(error)}); the file is damaged: fetch it again."
            ) from error
        return values

    def _refuse_foreign(self, name: str, dataset: Any) -> None:
        """Refuse what lies in another file, and sizes that no entity has, before anything is read or allocated."""
        stored = dataset.get_create_plist()
        outside = stored.get_external_count() or stored.get_layout() == self._h5py.h5d.VIRTUAL
        if outside or self._h5py.h5f.get_name(dataset) != self._name:
            raise ValueError("its values lie in another file, and only this one is read")
        if (size := math.prod(dataset.shape) * dataset.dtype.itemsize) > MAX_BYTES:
            raise ValueError(f"it claims {size:,} bytes in shape {dataset.shape}, more than {MAX_BYTES:,}")

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


_STACKED = "{id}_summaries"
_BY_LANGUAGE = ("{id}_{language}", "{id}_{language}wiki")


@dataclass(frozen=True)
class FeatureFiles:
    """Files of the fields of some entities: one for all, or one each.

    Attributes:
        images: file of the image vectors.
        summaries: file of the summary vectors.
        classes: file of the class vectors, if any.
        cells: file of cells and coordinates, if any.
    """

    images: Path
    summaries: Path
    classes: Path | None
    cells: Path | None

    @classmethod
    def single(cls, path: Path) -> FeatureFiles:
        """Take all fields from one file."""
        return cls(path, path, path, path)

    @property
    def paths(self) -> list[Path]:
        """List the distinct files."""
        listed = (self.images, self.summaries, self.classes, self.cells)
        return list(dict.fromkeys(path for path in listed if path is not None))


class FeatureReader:
    """Reader of entities from open feature files; a context manager.

    The first entity tells which of classes, cells and coordinates there are; all others must agree.

    Args:
        files: where the fields lie.
        spec: what the rows must look like; taken from the first entity when omitted.

    Raises:
        ValueError: if a file cannot be opened, or the first entity has no images or summaries.
    """

    def __init__(self, files: FeatureFiles, spec: FeatureSpec | None = None) -> None:
        self.cells_are_numbers = False  # else one-hot, whose width is the number of cells
        self._stack = ExitStack()
        try:
            stores = {path: self._stack.enter_context(FeatureStore(path)) for path in files.paths}
            self._images, self._summaries = stores[files.images], stores[files.summaries]
            self._optional = {"classes": files.classes and stores[files.classes]}
            self._optional |= dict.fromkeys(("onehot", "coordinates", "coords"), files.cells and stores[files.cells])
            self.ids: NDArray[np.int64] = self._common_ids(stores[files.cells or files.images])
            if len(self.ids):
                self._find_fields(self.ids[0])
                self.spec = spec or self._probe(self.ids[0])
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> FeatureReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def row(self, entity: int) -> FeatureRow:
        """Read one entity.

        Args:
            entity: one of ``ids``.

        Raises:
            ValueError: naming file and dataset, if anything about the entity is absent, damaged, of another width than
                that of the first entity, not finite, or not on the earth.
        """
        summaries, languages = self._read_summaries(entity, self.spec.summary_size)
        return FeatureRow(
            entity_id=f"Q{entity}",
            images=self._images.vectors(f"{entity}_images", self.spec.image_size),
            summaries=summaries,
            languages=languages,
            classes=self._read_classes(entity),
            cell=self._read_cell(entity),
            cell_position=self._read_position(entity, "coordinates"),
            position=self._read_position(entity, "coords"),
        )

    def _common_ids(self, first: FeatureStore) -> NDArray[np.int64]:
        """List the ids in the file of cells (else of images) that have images and summaries, as the authors did."""
        ids = {store: store.ids() for store in (first, self._images, self._summaries)}
        return ids[first][np.isin(ids[first], ids[self._images]) & np.isin(ids[first], ids[self._summaries])]

    def _find_fields(self, entity: int) -> None:
        present = [key for key in _BY_LANGUAGE if self._languages(key, entity)]
        self._summary_key = present[0] if present else _STACKED
        self._absent = {
            suffix for suffix, store in self._optional.items() if not store or f"{entity}_{suffix}" not in store
        }

    def _probe(self, entity: int) -> FeatureSpec:
        summary_size = self._read_summaries(entity, None)[0].shape[1]
        classes = self._find("classes", entity)
        return FeatureSpec(
            image_size=self._images.vectors(f"{entity}_images").shape[1],
            summary_size=summary_size,
            class_size=classes[0].vectors(classes[1]).shape[1] if classes else summary_size,
            num_cells=self._count_cells(entity),
            has_positions="coords" not in self._absent,
        )

    def _find(self, suffix: str, entity: int) -> tuple[FeatureStore, str] | None:
        """Find the file and the name of a dataset that not all sources have."""
        store, name = self._optional[suffix], f"{entity}_{suffix}"
        if store and suffix not in self._absent:
            return store, name
        if store and name in store:
            raise ValueError(
                f"{store.path} has '{name}', but no '{self.ids[0]}_{suffix}' for its first entity: "
                "either all entities have it or none; fetch the file again."
            )
        return None

    def _languages(self, key: str, entity: int) -> list[str]:
        return [name for name in LANGUAGES if key.format(id=entity, language=name) in self._summaries]

    def _read_summaries(self, entity: int, size: int | None) -> tuple[NDArray[np.float32], list[str] | None]:
        if self._summary_key == _STACKED:
            return self._summaries.vectors(_STACKED.format(id=entity), size), None
        languages = self._languages(self._summary_key, entity)
        if not languages:
            raise ValueError(
                f"{self._summaries.path}: entity {entity} has no summary in any of {', '.join(LANGUAGES)}; "
                "take its id out of 'ids' or fetch the file again."
            )
        names = [self._summary_key.format(id=entity, language=name) for name in languages]
        vectors = [self._summaries.vector(names[0], size)]
        vectors += [self._summaries.vector(name, len(vectors[0])) for name in names[1:]]
        return np.stack(vectors), languages

    def _read_classes(self, entity: int) -> NDArray[np.float32]:
        found = self._find("classes", entity)
        if found is None:
            return np.empty((0, self.spec.class_size), np.float32)
        store, name = found
        return store.vectors(name, self.spec.class_size)

    def _count_cells(self, entity: int) -> int:
        found = self._find("onehot", entity)
        if found is None:
            return 0
        store, name = found
        _, width = store.cell(name)
        self.cells_are_numbers = width is None
        return width or 1 + max(store.cell(f"{other}_onehot")[0] for other in self.ids.tolist())

    def _read_cell(self, entity: int) -> int | None:
        found = self._find("onehot", entity)
        return None if found is None else found[0].cell(found[1], self.spec.num_cells)[0]

    def _read_position(self, entity: int, suffix: str) -> tuple[float, float] | None:
        """Read latitude and longitude in degrees, which the pilot files' ``coords`` hold in the other order."""
        found = self._find(suffix, entity)
        if found is None:
            return None
        store, name = found
        latitude, longitude = store.vector(name, 2).tolist()
        if suffix == "coords":
            latitude, longitude = longitude, latitude
        check_position(latitude, longitude, f"{store.path}: '{name}'")
        return latitude, longitude


@dataclass(frozen=True)
class HDF5Shard:
    """Entities of feature files that one process reads in a go.

    Attributes:
        files: where their fields lie.
        ids: int64 (rows,), the entities.
        spec: what their rows look like.
        dtype: type of the vectors.
    """

    files: FeatureFiles
    ids: NDArray[np.int64]
    spec: FeatureSpec
    dtype: str = "float32"

    def __len__(self) -> int:
        return len(self.ids)

    def tables(self) -> Iterator[pa.Table]:
        """Read the rows, some hundred at a time.

        Raises:
            ValueError: as ``FeatureReader.row``.
        """
        with FeatureReader(self.files, self.spec) as reader:
            for start in range(0, len(self.ids), ROWS_PER_TABLE):
                rows = [reader.row(entity) for entity in self.ids[start : start + ROWS_PER_TABLE].tolist()]
                yield pack_features(rows, self.spec, self.dtype)
