"""The authors' raw JSON, as sampled (v0) and as published (v1).

A file is a list of entities ``{"id": 64, "coordinates": ["52.5", "13.4"], "summaries": …, "images": ["Q64_0.jpg"],
"classes": ["city"]}``. v0 names the entity in ``item`` and holds summaries as ``{"en_wiki": …}``; v1 names it in
``label``, a quoted page title, and holds summaries as a list ``[{"en": …}, {"de": …}]``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hf_mlm.data.checks import check_image, check_not_empty, check_position, check_unique
from hf_mlm.data.mlm.rows import LANGUAGES, raw_features
from hf_mlm.data.shards import pack_rows
from hf_mlm.data.splits import SPLITS, hash_split
from hf_mlm.geo.partition import GeoCellPartition, check_settings


@dataclass(frozen=True)
class RawFile:
    """A JSON file of entities.

    Attributes:
        path: the file.
        images: the folder that its image names refer to.
    """

    path: Path
    images: Path

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read the entities.

        Yields:
            dict with ``entity_id`` ("Q64"), ``label``, ``summaries`` by language (``None`` where there is none),
            ``images`` (paths; whether the files are there is not looked at), ``classes``, ``latitude`` and
            ``longitude`` in degrees, ``country`` (``None``: the files do not tell).

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is empty, not UTF-8, not JSON or not a list, or an entity lacks a field, has a field of
                another kind, no summary in any of the three languages, or lies off the earth.
        """
        for number, entity in enumerate(_read_list(self.path), start=1):
            where = f"{self.path}, entity {number}"
            if not isinstance(entity, dict):
                raise ValueError(f"{where} is a {type(entity).__name__}; an entity has to be an object with an 'id'.")
            yield self._row(entity, where)

    def _row(self, entity: dict[str, Any], where: str) -> dict[str, Any]:
        entity_id = _entity_id(_field(entity, "id", (int, str), where), where)
        where = f"{where} ({entity_id})"
        latitude, longitude = _position(_field(entity, "coordinates", (list,), where), where)
        return {
            "entity_id": entity_id,
            "label": _label(entity, where),
            "summaries": _summaries(_field(entity, "summaries", (dict, list), where), where),
            "images": [self._image(name, where) for name in _strings(entity, "images", where)],
            "classes": _strings(entity, "classes", where),
            "latitude": latitude,
            "longitude": longitude,
            "country": None,
        }

    def _image(self, name: str, where: str) -> str:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in name:
            raise ValueError(f"{where}: the image name {name!r} points outside {self.images}; give a bare file name.")
        return str(self.images / parts)


def _read_list(path: Path) -> list[Any]:
    check_not_empty(path)
    try:
        entities = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 (byte {error.start}: {error.object[error.start : error.end]!r}); convert it, for "
            "instance with `iconv -f LATIN1 -t UTF-8`."
        ) from error
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {error.lineno}, column {error.colno} is not JSON ({error.msg}); the copy is incomplete or "
            "edited: fetch it again."
        ) from error
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deeply to be a list of entities; fetch it again.") from error
    if not isinstance(entities, list):
        raise ValueError(f"{path} holds a {type(entities).__name__}, not the list of entities that MLM's files are.")
    return entities


def _field(entity: dict[str, Any], name: str, kinds: tuple[type, ...], where: str) -> Any:
    if name not in entity:
        raise ValueError(f"{where} has no {name!r}; it has {', '.join(map(repr, entity))}. Add it or drop the entity.")
    value = entity[name]
    if not isinstance(value, kinds) or isinstance(value, bool):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{where}: {name!r} has to be {expected}, got {type(value).__name__} {value!r:.60}.")
    return value


def _strings(entity: dict[str, Any], name: str, where: str) -> list[str]:
    values = _field(entity, name, (list,), where)
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"{where}: {name!r} has to be a list of strings, but one of them is {value!r:.60}.")
    return values


def _entity_id(value: int | str, where: str) -> str:
    number = str(value).removeprefix("Q")
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"{where}: 'id' has to be a Wikidata number such as 64 or 'Q64', got {value!r:.60}.")
    return f"Q{int(number)}"


def _label(entity: dict[str, Any], where: str) -> str:
    if "item" in entity:
        return str(_field(entity, "item", (str, int), where))
    return unquote(_field(entity, "label", (str,), where)).replace("_", " ")


def _summaries(value: dict[str, Any] | list[Any], where: str) -> dict[str, str | None]:
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError(f"{where}: 'summaries' has to map languages to texts, got {value!r:.60}.")
    texts = {key.removesuffix("wiki").removesuffix("_"): text for part in parts for key, text in part.items()}
    summaries = {language: texts.get(language) or None for language in LANGUAGES}
    for language, text in summaries.items():
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{where}: the summary in {language!r} has to be a string, got {text!r:.60}.")
    if not any(summaries.values()):
        raise ValueError(
            f"{where} has no summary in any of {', '.join(LANGUAGES)} (found: {', '.join(texts) or 'none'}); "
            "add one or drop the entity."
        )
    return summaries


def _position(value: list[Any], where: str) -> tuple[float, float]:
    try:
        latitude, longitude = (float(part) for part in value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: 'coordinates' has to be [latitude, longitude] in degrees, got {value!r:.60}."
        ) from error
    check_position(latitude, longitude, where)
    return latitude, longitude


@dataclass(frozen=True)
class CellSettings:
    """Arguments of `GeoCellPartition.fit`, which makes cells of the entities' coordinates.

    Raises:
        ValueError: as `check_settings`.
    """

    max_entities: int = 500
    min_entities: int = 20
    rule: str = "paper"

    def __post_init__(self) -> None:
        check_settings(self.max_entities, self.min_entities, self.rule)


@dataclass(frozen=True)
class RawShard:
    """Entities of a JSON file that one process reads in a go.

    Attributes:
        file: the file.
        numbers: int64 (rows,), positions in the file, ascending.
        cells: int64 (rows,), their cells, or None in rows without.
    """

    file: RawFile
    numbers: NDArray[np.int64]
    cells: NDArray[np.int64] | None

    def tables(self) -> Iterator[pa.Table]:
        """Read the rows, some hundred at a time, with the paths of their images, each of which is decoded once.

        Raises:
            FileNotFoundError: if an image is not there.
            ValueError: if an image is broken or gigantic, or the JSON file is not what it was.
        """
        return pack_rows(self._rows(), raw_features(None if self.cells is None else ()))

    def _rows(self) -> Iterator[dict[str, Any]]:
        position_in_shard = {number: position for position, number in enumerate(self.numbers.tolist())}
        for number, row in enumerate(self.file.rows()):
            position = position_in_shard.get(number)
            if position is None:
                continue
            for image in row["images"]:
                check_image(Path(image), f"{self.file.path}, entity {number + 1} ({row['entity_id']})")
            row["images"] = [{"bytes": None, "path": image} for image in row["images"]]
            yield row if self.cells is None else row | {"geo_cell": int(self.cells[position])}


@dataclass(frozen=True)
class RawSource:
    """Raw rows by split.

    Attributes:
        cell_tokens: S2 tokens of the cells, sorted; None where rows have no cells.
        splits: shards of each split that has rows.
    """

    cell_tokens: list[str] | None
    splits: dict[str, list[RawShard]]


def open_raw(files: Sequence[RawFile], cells: CellSettings | None = None, seed: int = 0) -> RawSource:
    """Read the JSON files once, check every entity, and plan how to read them again.

    Args:
        files: the JSON files.
        cells: how to make cells; entities without an image or in too sparse a region are then left out, as in
            MLM §3.3.5. None keeps every entity and makes no cells.
        seed: of the split.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file or an entity is malformed, an entity occurs twice, or no entity is left.
    """
    index = _read_index(files)
    if not len(index.ids):
        raise ValueError(f"{files[0].path.parent}: the JSON files hold no entity at all; fetch them again.")
    check_unique(index.ids, f"{files[0].path.parent}, all files together")
    partition, assigned = (None, None) if cells is None else _assign_cells(index, cells)
    kept = np.ones(len(index.ids), bool) if assigned is None else assigned >= 0
    splits = hash_split(index.ids, seed=seed)
    shards = {
        name: [
            RawShard(file, index.numbers[rows], None if assigned is None else assigned[rows])
            for position, file in enumerate(files)
            if len(rows := np.flatnonzero(kept & (splits == split) & (index.files == position)))
        ]
        for split, name in enumerate(SPLITS)
    }
    tokens = None if partition is None else partition.tokens
    return RawSource(tokens, {name: listed for name, listed in shards.items() if listed})


@dataclass(frozen=True)
class _Index:
    """Ids, places and images of all entities, in the order of the files; arrays are (entities,)."""

    ids: list[str]
    files: NDArray[np.int64]
    numbers: NDArray[np.int64]
    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]
    have_images: NDArray[np.bool_]


def _read_index(files: Sequence[RawFile]) -> _Index:
    entries = [
        (row["entity_id"], position, number, row["latitude"], row["longitude"], bool(row["images"]))
        for position, file in enumerate(files)
        for number, row in enumerate(file.rows())
    ]
    ids, *columns = zip(*entries, strict=True) if entries else [()] * 6
    kinds = (np.int64, np.int64, np.float64, np.float64, np.bool_)
    return _Index(list(ids), *(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def _assign_cells(index: _Index, settings: CellSettings) -> tuple[GeoCellPartition, NDArray[np.int64]]:
    """Make cells of the entities with images, and find the cell of each entity, -1 where it has none."""
    usable = index.have_images
    try:
        partition = GeoCellPartition.fit(index.latitudes[usable], index.longitudes[usable], **asdict(settings))
    except ValueError as error:
        raise ValueError(
            f"no geographic cells can be made of the {usable.sum()} entities with images ({error}) Give more files, "
            "pass load_dataset a smaller min_entities=…, or use the config 'mlm', which needs no cells."
        ) from error
    return partition, np.where(usable, partition.assign(index.latitudes, index.longitudes), -1)
