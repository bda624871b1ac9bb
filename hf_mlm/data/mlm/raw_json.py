"""The authors' raw JSON, as sampled (v0) and as published (v1).

A file is a list of entities ``{"id": 64, "coordinates": ["52.5", "13.4"], "summaries": …, "images": ["Q64_0.jpg"],
"classes": ["city"]}``. v0 names the entity in ``item`` and holds summaries as ``{"en_wiki": …}``; v1 names it in
``label``, a quoted page title, and holds summaries as a list ``[{"en": …}, {"de": …}]``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hf_mlm.data.checks import check_image, check_position, check_unique, has_letters
from hf_mlm.data.mlm.archives.records import read_json, same_name
from hf_mlm.data.mlm.rows import LANGUAGES, raw_features
from hf_mlm.data.shards import pack_rows
from hf_mlm.data.splits import SPLITS, hash_split
from hf_mlm.geo.partition import GeoCellPartition, check_settings
from hf_mlm.geo.quotas import sample_by_quota


SHOWN = 10  # faults, or names, in one message
_DIGITS = 19  # of a number that fits 64 bits

logger = logging.getLogger(__name__)


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
            ValueError: as `entries`; of malformed entities, when all have been read.
        """
        faults: list[str] = []
        for row, found in self.entries():
            faults += found
            if row is not None:
                yield row
        refuse(faults, self.path)

    def entries(self) -> Iterator[tuple[dict[str, Any] | None, list[str]]]:
        """Read the entities, each as a row, or None and what is wrong with it.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is empty, not text or not JSON: a list, or entities one after the other.
        """
        for number, entity in enumerate(read_json(self.path), start=1):
            where = f"{self.path}, entity {number}"
            if isinstance(entity, dict):
                yield self._row(entity, where)
            else:
                kind = type(entity).__name__
                yield None, [f"{where} is a {kind}; an entity has to be an object with an 'id'."]

    def _row(self, entity: dict[str, Any], where: str) -> tuple[dict[str, Any] | None, list[str]]:
        faults: list[str] = []

        def read(reader: Callable[[dict[str, Any], str], Any]) -> Any:
            try:
                return reader(entity, where)
            except ValueError as error:
                faults.append(str(error))
                return None

        entity_id = read(_entity_id)
        where = f"{where} ({entity_id})" if entity_id else where
        latitude, longitude = read(_position) or (None, None)
        row = {
            "entity_id": entity_id,
            "label": read(_label),
            "summaries": read(_summaries),
            "images": read(self._images),
            "classes": read(partial(_strings, name="classes")),
            "latitude": latitude,
            "longitude": longitude,
            "country": None,
        }
        return (None if faults else row), faults

    def _images(self, entity: dict[str, Any], where: str) -> list[str]:
        names = _strings(entity, where, "images")
        for name in names:
            parts = PurePosixPath(name.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in name:
                raise ValueError(
                    f"{where}: the image name {name!r:.120} points outside {self.images}; give a bare file name."
                )
        return [str(self.images / PurePosixPath(name.replace("\\", "/"))) for name in names]


def refuse(faults: Sequence[str], path: Path) -> None:
    """Raise one error that tells of all faults.

    Args:
        faults: each with its place and remedy.
        path: file or folder that they are in.

    Raises:
        ValueError: if there is any.
    """
    if len(faults) == 1:
        raise ValueError(faults[0])
    if faults:
        shown = [*faults[:SHOWN], *([f"… and {len(faults) - SHOWN:,} more"] if len(faults) > SHOWN else [])]
        raise ValueError(
            f"{path} has {len(faults):,} faults (`hf-mlm data check` lists them):\n  " + "\n  ".join(shown)
        )


def _some(names: Iterable[str]) -> str:
    """Show the first names of an object, each cut where it is long."""
    return ", ".join(f"{name!r:.60}" for name in islice(names, SHOWN))


def _field(entity: dict[str, Any], name: str, kinds: tuple[type, ...], where: str) -> Any:
    if name not in entity:
        raise ValueError(f"{where} has no {name!r}; it has {_some(entity)}. Add it or drop the entity.")
    value = entity[name]
    if not isinstance(value, kinds) or isinstance(value, bool):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{where}: {name!r} has to be {expected}, got {type(value).__name__} {value!r:.60}.")
    return _whole(value, name, where) if isinstance(value, str) else value


def _strings(entity: dict[str, Any], where: str, name: str) -> list[str]:
    values = _field(entity, name, (list,), where)
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"{where}: {name!r} has to be a list of strings, but one of them is {value!r:.60}.")
    return [_whole(value, name, where) for value in values]


def _whole(text: str, name: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])
        raise ValueError(f"{where}: {name!r} has half a character, {half}; write the whole one.") from error
    return text


def _entity_id(entity: dict[str, Any], where: str) -> str:
    value = _field(entity, "id", (int, str), where)
    number = str(value).removeprefix("Q")
    if not (number.isascii() and number.isdigit() and len(number) < _DIGITS):
        raise ValueError(f"{where}: 'id' has to be a Wikidata number such as 64 or 'Q64', got {value!r:.60}.")
    return f"Q{int(number)}"


def _label(entity: dict[str, Any], where: str) -> str:
    if "item" in entity:
        return str(_field(entity, "item", (str, int), where))
    if "label" not in entity:
        raise ValueError(
            f"{where} has no 'label'; it has {_some(entity)}. Name the entity in 'label' or 'item', or drop it."
        )
    return unquote(_field(entity, "label", (str,), where)).replace("_", " ")


def _summaries(entity: dict[str, Any], where: str) -> dict[str, str | None]:
    value = _field(entity, "summaries", (dict, list), where)
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError(f"{where}: 'summaries' has to map languages to texts, got {value!r:.60}.")
    texts = {key.removesuffix("wiki").removesuffix("_"): text for part in parts for key, text in part.items()}
    summaries = {language: texts.get(language) or None for language in LANGUAGES}
    for language, text in summaries.items():
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{where}: the summary in {language!r} has to be a string, got {text!r:.60}.")
        summaries[language] = _whole(text, language, where) if text and has_letters(text) else None
    if not any(summaries.values()):
        found = _some(f"{key}, of blanks" if text and key in LANGUAGES else key for key, text in texts.items())
        raise ValueError(
            f"{where} has no summary in any of {', '.join(LANGUAGES)} (found: {found or 'none'}); "
            "add one or drop the entity."
        )
    return summaries


def _position(entity: dict[str, Any], where: str) -> tuple[float, float]:
    value = _field(entity, "coordinates", (list,), where)
    try:
        if any(isinstance(part, bool) for part in value):
            raise TypeError
        latitude, longitude = (float(part) for part in value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{where}: 'coordinates' has to be [latitude, longitude] in degrees, got {value!r:.60}."
        ) from error
    check_position(latitude, longitude, where)
    return latitude, longitude


@dataclass(frozen=True)
class CellSettings:
    """Choice of the entities that get cells of their coordinates: arguments of `GeoCellPartition.fit`, and the sample.

    Attributes:
        max_entities: of a cell.
        min_entities: of a cell.
        rule: ``"paper"`` or ``"authors"``.
        by_population: whether the entities are those of MLM-irle-gr: of each country of the European Union its share
            of the people, by the nearest settlement of GeoNames.

    Raises:
        ValueError: as `check_settings`.
    """

    max_entities: int = 500
    min_entities: int = 20
    rule: str = "paper"
    by_population: bool = False

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
            FileNotFoundError: if an image is absent.
            ValueError: if an image is broken or gigantic, of several of all of them; if the file is not what it was.
        """
        return pack_rows(self._rows(), raw_features(None if self.cells is None else ()))

    def _rows(self) -> Iterator[dict[str, Any]]:
        position_in_shard = {number: position for position, number in enumerate(self.numbers.tolist())}
        faults: list[ValueError | FileNotFoundError] = []
        for number, row in enumerate(self.file.rows()):
            position = position_in_shard.get(number)
            if position is None:
                continue
            where = f"{self.file.path}, entity {number + 1} ({row['entity_id']})"
            if self.cells is not None:
                row["images"] = photographs(row["images"])
            row["images"] = [{"bytes": None, "path": str(same_name(Path(image)))} for image in row["images"]]
            for image in row["images"]:
                try:
                    check_image(Path(image["path"]), where)
                except (ValueError, FileNotFoundError) as error:
                    faults.append(error)
            yield row if self.cells is None else row | {"geo_cell": int(self.cells[position])}
        if len(faults) == 1:
            raise faults[0]
        refuse([str(fault) for fault in faults], self.file.path)


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
        cells: how to make cells; SVGs, entities without another image and those in too sparse a region are then left
            out, as in MLM §3.3.5. None keeps every entity and makes no cells.
        seed: of the split, and of the sample by population.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file or an entity is malformed, an entity occurs twice, or no entity is left.
        ImportError: if the countries of a sample by population cannot be told without the extra ``demo``.
    """
    index = _read_index(files, whole=cells is None)
    if not len(index.ids):
        raise ValueError(f"{files[0].path.parent}: the JSON files hold no entity at all; fetch them again.")
    check_unique(index.ids, f"{files[0].path.parent}, all files together")
    partition, assigned = (None, None) if cells is None else _assign_cells(index, cells, seed)
    kept = np.ones(len(index.ids), bool) if assigned is None else assigned >= 0
    if not kept.all():
        absent = int((~index.have_images).sum())
        logger.warning(
            "%s: %s of %s entities are left out: %s without an image, %s in cells of too few entities or beyond the "
            "quota of their country.",
            *(files[0].path.parent, f"{(~kept).sum():,}", f"{len(kept):,}", absent, int((~kept).sum()) - absent),
        )
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


def photographs(images: Sequence[str]) -> list[str]:
    """Leave out what was converted from SVG, by the names that the authors gave it: mostly maps and arms (§3.3.5).

    Example:
        >>> photographs(["Q64_0.jpg", "Q64_1_SVG.png"])
        ['Q64_0.jpg']
    """
    return [image for image in images if not PurePosixPath(image).name.rpartition("_")[2].startswith("SVG")]


def _read_index(files: Sequence[RawFile], whole: bool) -> _Index:
    entries, faults = [], []
    for position, file in enumerate(files):
        for number, (row, found) in enumerate(file.entries()):
            faults += found
            if row is not None:
                place = row["latitude"], row["longitude"]
                images = row["images"] if whole else photographs(row["images"])
                entries.append((row["entity_id"], position, number, *place, bool(images)))
    refuse(faults, files[0].path.parent)
    ids, *columns = zip(*entries, strict=True) if entries else [()] * 6
    kinds = (np.int64, np.int64, np.float64, np.float64, np.bool_)
    return _Index(list(ids), *(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def _assign_cells(index: _Index, settings: CellSettings, seed: int) -> tuple[GeoCellPartition, NDArray[np.int64]]:
    """Make cells of the entities with images, and find the cell of each entity, -1 where it has none."""
    usable = index.have_images
    if settings.by_population:
        usable = _sampled(index, seed)
    options = {name: value for name, value in asdict(settings).items() if name != "by_population"}
    try:
        partition = GeoCellPartition.fit(index.latitudes[usable], index.longitudes[usable], **options)
    except ValueError as error:
        raise ValueError(
            f"no geographic cells can be made of the {usable.sum()} entities with images ({error}) Give more files, "
            "pass load_dataset a smaller min_entities=…, or use the config 'mlm', which needs no cells."
        ) from error
    return partition, np.where(usable, partition.assign(index.latitudes, index.longitudes), -1)


def _sampled(index: _Index, seed: int) -> NDArray[np.bool_]:
    """Entities with images that the quotas of the European Union keep, bool (entities,)."""
    from hf_mlm.world.nearest import nearest_settlements

    rows = np.flatnonzero(index.have_images)
    found = nearest_settlements(index.latitudes[rows], index.longitudes[rows])
    sample = sample_by_quota([settlement.country_code for settlement in found], seed=seed)
    kept = np.zeros(len(index.ids), bool)
    kept[rows[sample.rows]] = True
    return kept
