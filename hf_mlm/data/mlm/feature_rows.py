"""Feature rows as Arrow tables, whose vectors are fixed-size lists: a batch is one gather."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


ROWS_PER_TABLE = 256
VECTOR_FIELDS = ("image_features", "summary_features", "class_features")
DTYPES = {"float32": pa.float32(), "float16": pa.float16()}


class FeatureRow(NamedTuple):
    """The features of one entity; ``None`` stands for what its file does not tell.

    ``images`` (images, image_size), ``summaries`` (summaries, summary_size) and ``classes`` (classes, class_size) are
    float32; positions are (latitude, longitude) in degrees.
    """

    entity_id: str
    images: NDArray[np.float32]
    summaries: NDArray[np.float32]
    languages: list[str] | None
    classes: NDArray[np.float32]
    cell: int | None
    cell_position: tuple[float, float] | None
    position: tuple[float, float] | None


@dataclass(frozen=True)
class FeatureSpec:
    """What the rows of a source have in common.

    Attributes:
        image_size: width of the image vectors.
        summary_size: width of the summary vectors.
        class_size: width of the class vectors; that of the summaries where there are none.
        num_cells: number of geographic cells, 0 where the source has none.
        has_positions: whether rows carry the entity's own latitude and longitude (pilot files do).
    """

    image_size: int
    summary_size: int
    class_size: int
    num_cells: int = 0
    has_positions: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """Width of each field of vectors, by column name."""
        return dict(zip(VECTOR_FIELDS, (self.image_size, self.summary_size, self.class_size), strict=True))

    def schema(self, dtype: str = "float32") -> pa.Schema:
        """Arrow schema of the rows.

        Args:
            dtype: ``"float32"`` or ``"float16"``, type of the vectors.

        Raises:
            ValueError: if ``dtype`` is another.
        """
        vectors = {name: pa.list_(pa.list_(arrow_type(dtype), size)) for name, size in self.sizes.items()}
        fields = {
            "entity_id": pa.string(),
            "image_features": vectors["image_features"],
            "summary_features": vectors["summary_features"],
            "summary_languages": pa.list_(pa.string()),
            "class_features": vectors["class_features"],
            "geo_cell": pa.int64(),
            "cell_latitude": pa.float64(),
            "cell_longitude": pa.float64(),
        }
        if self.has_positions:
            fields |= {"latitude": pa.float64(), "longitude": pa.float64()}
        return pa.schema(fields)

    def to_dict(self) -> dict[str, Any]:
        """The attributes, for JSON."""
        return asdict(self)


def arrow_type(dtype: str) -> pa.DataType:
    """Arrow type of ``"float32"`` or ``"float16"``.

    Raises:
        ValueError: if ``dtype`` is another.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}.")
    return DTYPES[dtype]


def common_spec(specs: dict[str, FeatureSpec]) -> FeatureSpec:
    """The one spec of several sources.

    Args:
        specs: by name of the source (a file), for the sentence.

    Raises:
        ValueError: if widths or numbers of cells differ.
    """
    (first, spec), *others = specs.items()
    for name, other in others:
        if other != spec:
            differing = [key for key, value in spec.to_dict().items() if getattr(other, key) != value]
            raise ValueError(
                f"{first} and {name} do not belong together: "
                + ", ".join(f"{key} is {getattr(spec, key)} and {getattr(other, key)}" for key in differing)
                + "; load them from separate folders."
            )
    return spec


def feature_table(rows: Sequence[FeatureRow], spec: FeatureSpec, dtype: str = "float32") -> pa.Table:
    """Pack rows into a table of ``spec.schema(dtype)``.

    Raises:
        ValueError: if a feature is too large for float16.
    """
    scalars: dict[str, list[Any]] = {
        "entity_id": [row.entity_id for row in rows],
        "summary_languages": [row.languages for row in rows],
        "geo_cell": [row.cell for row in rows],
        "cell_latitude": [row.cell_position and row.cell_position[0] for row in rows],
        "cell_longitude": [row.cell_position and row.cell_position[1] for row in rows],
        "latitude": [row.position and row.position[0] for row in rows],
        "longitude": [row.position and row.position[1] for row in rows],
    }
    vectors = {
        "image_features": [row.images for row in rows],
        "summary_features": [row.summaries for row in rows],
        "class_features": [row.classes for row in rows],
    }
    schema = spec.schema(dtype)
    columns = [
        vector_column(vectors[field.name], spec.sizes[field.name], dtype, scalars["entity_id"])
        if field.name in vectors
        else pa.array(scalars[field.name], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def vector_column(
    matrices: Sequence[NDArray[np.float32]], size: int, dtype: str, entity_ids: Sequence[str]
) -> pa.ListArray:
    """One row a matrix (vectors, size), as a list of fixed-size lists.

    Raises:
        ValueError: naming the entity, if a value overflows ``dtype``.
    """
    offsets = np.concatenate([[0], np.cumsum([len(matrix) for matrix in matrices])]).astype(np.int32)
    with np.errstate(over="ignore"):
        values = np.concatenate([np.empty((0, size), np.float32), *matrices]).astype(dtype)  # (vectors, size)
    if dtype == "float16" and not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        entity = entity_ids[int(np.searchsorted(offsets, bad, side="right")) - 1]
        raise ValueError(f"a feature of entity {entity} is beyond float16 (±65504); use dtype='float32'.")
    items = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), size)
    return pa.ListArray.from_arrays(pa.array(offsets), items)


def column_vectors(column: pa.ChunkedArray) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """The vectors of a column without copying them, and where each row's begin.

    Returns:
        ``values`` (vectors, size) and ``offsets`` (rows + 1,): row ``i`` holds ``values[offsets[i]:offsets[i + 1]]``.
    """
    lists = column.combine_chunks()
    items = lists.values
    values = items.flatten().to_numpy(zero_copy_only=False).reshape(-1, items.type.list_size)
    return values, lists.offsets.to_numpy()


def with_dtype(table: pa.Table, spec: FeatureSpec, dtype: str) -> pa.Table:
    """The table with vectors of another float type; the same table where they have it already.

    Raises:
        ValueError: if a feature is too large for float16.
    """
    if table.schema.equals(spec.schema(dtype)):
        return table
    ids = table["entity_id"].to_pylist()
    for name, size in spec.sizes.items():
        values, offsets = column_vectors(table[name])
        matrices = [values[start:stop] for start, stop in zip(offsets[:-1], offsets[1:], strict=True)]
        column = vector_column(matrices, size, dtype, ids)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table.cast(spec.schema(dtype))


def row_hashes(table: pa.Table) -> list[str]:
    """A 64-bit BLAKE2b hash of each row: names, values and lengths of all its columns, vectors byte by byte."""
    hashers = [hashlib.blake2b(digest_size=8) for _ in range(table.num_rows)]
    for name in table.column_names:
        for hasher, value in zip(hashers, _values(table, name), strict=True):
            hasher.update(f"|{name}:{len(value)}:".encode())
            hasher.update(value)
    return [hasher.hexdigest() for hasher in hashers]


def _values(table: pa.Table, name: str) -> Iterable[bytes]:
    if name not in VECTOR_FIELDS:
        return (repr(value).encode() for value in table[name].to_pylist())
    values, offsets = column_vectors(table[name])
    return (values[start:stop].tobytes() for start, stop in zip(offsets[:-1], offsets[1:], strict=True))
