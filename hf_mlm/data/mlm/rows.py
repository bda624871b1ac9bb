"""The two kinds of rows of ``mlm``, raw and of features: their columns, and how they are packed into Arrow tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Features, Image, List, Value
from numpy.typing import NDArray


LANGUAGES = ("en", "de", "fr")
ROWS_PER_TABLE = 256
VECTOR_FIELDS = ("image_features", "summary_features", "class_features")
DTYPES = ("float32", "float16")


def raw_features(cell_tokens: Sequence[str] | None, languages: Sequence[str] = LANGUAGES) -> Features:
    """Columns of raw rows.

    Args:
        cell_tokens: S2 tokens of the cells, sorted; None for rows without cells.
        languages: of the summaries.
    """
    features = Features(
        {
            "entity_id": Value("string"),
            "label": Value("string"),
            "summaries": {language: Value("string") for language in languages},
            "images": List(Image()),
            "classes": List(Value("string")),
            "latitude": Value("float64"),
            "longitude": Value("float64"),
            "country": Value("string"),
        }
    )
    if cell_tokens is not None:
        features["geo_cell"] = ClassLabel(names=list(cell_tokens))
    return features


def texts_of(
    summaries: Mapping[str, str | None] | Sequence[Mapping[str, str]] | None, languages: Sequence[str] | None = None
) -> list[str]:
    """List the texts of a raw row, in the order of the row.

    Args:
        summaries: language -> text, as MLM's rows have them, or a list of ``{"language", "text"}``, as archives' have.
        languages: that are wanted; all when None.

    Example:
        >>> texts_of({"en": "A town.", "de": None}), texts_of([{"language": "pt-BR", "text": "Uma vila."}])
        (['A town.'], ['Uma vila.'])
    """
    pairs = (
        summaries.items()
        if isinstance(summaries, Mapping)
        else [(text["language"], text["text"]) for text in summaries or ()]
    )
    return [text for language, text in pairs if text and (languages is None or language in languages)]


@dataclass(frozen=True)
class FeatureSpec:
    """Shape of the feature rows of a source.

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
        """Width of each column of vectors."""
        return dict(zip(VECTOR_FIELDS, (self.image_size, self.summary_size, self.class_size), strict=True))

    def features(self, dtype: str = "float32") -> Features:
        """Columns of the rows.

        The authors' files number cells without telling their S2 tokens, so the names of ``geo_cell`` are the numbers.

        Args:
            dtype: ``"float32"`` or ``"float16"``, type of the vectors.

        Raises:
            ValueError: if ``dtype`` is another.
        """
        check_dtype(dtype)
        images, summaries, classes = (List(List(Value(dtype), length=size)) for size in self.sizes.values())
        columns = {
            "entity_id": Value("string"),
            "image_features": images,
            "summary_features": summaries,
            "summary_languages": List(Value("string")),
            "class_features": classes,
            "geo_cell": ClassLabel(names=[str(number) for number in range(self.num_cells)]),
            "cell_latitude": Value("float64"),
            "cell_longitude": Value("float64"),
        }
        positions = dict.fromkeys(("latitude", "longitude"), Value("float64")) if self.has_positions else {}
        return Features(columns | positions)


def check_dtype(dtype: str) -> None:
    """Refuse a type of vectors other than ``"float32"`` and ``"float16"``.

    Raises:
        ValueError: if ``dtype`` is another.
    """
    if dtype not in DTYPES:
        raise ValueError(f"Expected dtype to be one of {', '.join(DTYPES)}, found {dtype!r}.")


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


def common_spec(specs: dict[str, FeatureSpec]) -> FeatureSpec:
    """Give the one spec of several sources.

    Args:
        specs: by name of the source (a file), for the message.

    Raises:
        ValueError: if widths or numbers of cells differ.
    """
    (first, spec), *others = specs.items()
    for name, other in others:
        pairs = [(each.name, getattr(spec, each.name), getattr(other, each.name)) for each in fields(spec)]
        differing = ", ".join(f"{key} is {one} and {two}" for key, one, two in pairs if one != two)
        if differing:
            raise ValueError(
                f"{first} and {name} do not belong together: {differing}; load them from separate folders."
            )
    return spec


def pack_features(rows: Sequence[FeatureRow], spec: FeatureSpec, dtype: str = "float32") -> pa.Table:
    """Pack rows into a table with the columns of ``spec.features(dtype)``.

    Raises:
        ValueError: if a feature is too large for float16.
    """
    none = (None, None)
    ids = [row.entity_id for row in rows]
    columns: dict[str, list[Any]] = {
        "entity_id": ids,
        "image_features": [row.images for row in rows],
        "summary_features": [row.summaries for row in rows],
        "summary_languages": [row.languages for row in rows],
        "class_features": [row.classes for row in rows],
        "geo_cell": [row.cell for row in rows],
        "cell_latitude": [(row.cell_position or none)[0] for row in rows],
        "cell_longitude": [(row.cell_position or none)[1] for row in rows],
        "latitude": [(row.position or none)[0] for row in rows],
        "longitude": [(row.position or none)[1] for row in rows],
    }
    schema = spec.features(dtype).arrow_schema.remove_metadata()
    arrays = [
        vector_column(columns[field.name], spec.sizes[field.name], dtype, ids)
        if field.name in VECTOR_FIELDS
        else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def vector_column(
    matrices: Sequence[NDArray[np.float32]], size: int, dtype: str, entity_ids: Sequence[str]
) -> pa.ListArray:
    """Pack matrices (vectors, size), one a row, into lists of fixed-size lists.

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
    """Give the vectors of a column without copying them, and where each row's begin.

    Returns:
        ``values`` (vectors, size) and ``offsets`` (rows + 1,): row ``i`` holds ``values[offsets[i]:offsets[i + 1]]``.
    """
    lists = column.combine_chunks()
    items = lists.values
    values = items.flatten().to_numpy(zero_copy_only=False).reshape(-1, items.type.list_size)
    return values, lists.offsets.to_numpy()


def cast_features(table: pa.Table, spec: FeatureSpec, dtype: str) -> pa.Table:
    """Give the vectors of a table another float type; a table that has it already is returned as it is.

    Raises:
        ValueError: if a feature is too large for float16.
    """
    schema = spec.features(dtype).arrow_schema.remove_metadata()
    if table.schema.equals(schema):
        return table
    ids = table["entity_id"].to_pylist()
    for name, size in spec.sizes.items():
        values, offsets = column_vectors(table[name])
        matrices = [values[start:stop] for start, stop in zip(offsets[:-1], offsets[1:], strict=True)]
        column = vector_column(matrices, size, dtype, ids)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table.cast(schema)


def row_hashes(table: pa.Table) -> list[str]:
    """Hash each row to 64 bits (BLAKE2b): names, values and lengths of all its columns, vectors byte by byte."""
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
