"""Find what a folder holds, Parquet, the authors' HDF5 (final, pilot, intermediate) or raw JSON, and open features."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hf_mlm.data.checks import check_unique
from hf_mlm.data.mlm.hdf5 import FeatureFiles, FeatureReader, HDF5Shard
from hf_mlm.data.mlm.parquet import INDEX, MANIFEST, open_manifest, read_schema
from hf_mlm.data.mlm.raw_json import RawFile
from hf_mlm.data.mlm.rows import FeatureSpec, common_spec
from hf_mlm.data.splits import SPLITS, hash_split


_SPLIT_FILE = re.compile(r"(?:.*[_-])?(train|val|valid|validation|test)(?:[_-].*)?\.(?:h5|hdf5)", re.IGNORECASE)
_ROWS_FILE = re.compile(r"(?:.*[_-])?(train|val|valid|validation|test)(?:[_-].*)?\.parquet", re.IGNORECASE)
_RAW_FILE = re.compile(r"MLM.*\.json", re.IGNORECASE)
_RAW_FOLDER = re.compile(r"MLM_\d+", re.IGNORECASE)
_DEPTH = 2


@dataclass(frozen=True)
class Layout:
    """Files that were found; one of ``parquet``, ``splits``, ``whole``, ``built``, ``rows`` and ``raw`` is set.

    Attributes:
        folder: where it lies.
        parquet: manifest of a conversion.
        splits: feature files by split, as the authors divided them.
        whole: feature files of one field each, not divided.
        built: index of raw rows in Parquet, as `hf-mlm build mlm` and `hf-mlm data import` write them.
        rows: Parquet files of rows by split, as `Dataset.to_parquet` and `hf-mlm push dataset` write them.
        raw: JSON files with their images, not divided.
    """

    folder: Path
    parquet: Path | None = None
    splits: dict[str, FeatureFiles] = field(default_factory=dict)
    whole: FeatureFiles | None = None
    built: Path | None = None
    rows: dict[str, list[Path]] = field(default_factory=dict)
    raw: tuple[RawFile, ...] = ()

    @property
    def files(self) -> list[Path]:
        """Main files, whose sizes and times tell whether anything changed."""
        features = [*self.splits.values(), *filter(None, [self.whole])]
        paths = [path for files in features for path in files.paths] + [file.path for file in self.raw]
        paths += [path for listed in self.rows.values() for path in listed]
        index = self.parquet or self.built
        return [index] if index else paths

    def stamp(self) -> str:
        """Names, sizes and times of the main files: another stamp means other contents."""
        stats = [(path.relative_to(self.folder).as_posix(), path.stat()) for path in self.files]
        return "|".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats)


def find_layout(data_dir: str | os.PathLike[str], config: str) -> Layout:
    """Look for a data set in a folder and, where there is none, up to two levels below it.

    Args:
        data_dir: the folder.
        config: ``"mlm"`` takes raw files only; ``"irle"`` and ``"irle-gr"`` prefer features, and choose among several
            sets by the names of their folders; ``"archive"`` takes Parquet of its own rows only.

    Returns:
        what was found; folders of images are never listed.

    Raises:
        FileNotFoundError: if there is no such folder, or nothing known in it.
        ValueError: if several sets, or several files of one split, are there to choose from.
    """
    root = Path(data_dir).expanduser().absolute()
    if not root.is_dir():
        raise FileNotFoundError(f"data_dir {str(data_dir)!r} is not a folder; give the folder that holds MLM's files.")
    features = (_find_parquet, _find_splits, _find_whole) if config.startswith("irle") else ()
    finders = (*features, _find_built, _find_rows, *(() if config == "archive" else (_find_raw,)))
    folders = [root]
    for _ in range(_DEPTH + 1):
        for finder in finders:
            found = [layout for folder in folders if (layout := finder(folder, config))]
            if found:
                return _choose(found, config)
        folders = [child for folder in folders for child in _subfolders(folder)]
    raise FileNotFoundError(_nothing_found(root, config))


def config_named(name: str) -> str | None:
    """The config that the name of a file or folder speaks of.

    Example:
        >>> [config_named(name) for name in ("MLM_irle.zip", "MLM-irle-gr", "IR+LE_geo_rep.tar", "MLM_v1", "data")]
        ['irle', 'irle-gr', 'irle-gr', 'mlm', None]
    """
    words = re.sub(r"[^a-z0-9]+", "_", name.lower()).replace("ir_le", "irle")
    if re.search(r"(irle|mlm)(_v\d+)?_?(gr|eu)(_|$)|geo_?rep", words):
        return "irle-gr"
    return "irle" if "irle" in words else "mlm" if "mlm" in words else None


def _choose(found: list[Layout], config: str) -> Layout:
    fitting = found if len(found) == 1 else [item for item in found if config_named(item.folder.name) == config]
    if len(fitting) != 1:
        folders = ", ".join(str(item.folder) for item in found)
        raise ValueError(f"there are several data sets to choose from ({folders}); give one of them as data_dir.")
    return fitting[0]


def _subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    return [folder / name for name in names if not name.startswith((".", "images"))]


def _file_names(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if pattern.fullmatch(entry.name) and entry.is_file()]
    return sorted(names, key=_natural)


def _natural(name: str) -> list[tuple[str, int]]:
    """Sort key that puts MLM_2 before MLM_10."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name)]


def _find_parquet(folder: Path, config: str) -> Layout | None:
    manifest = folder / MANIFEST
    return Layout(folder, parquet=manifest) if manifest.is_file() else None


def _find_splits(folder: Path, config: str) -> Layout | None:
    splits: dict[str, Path] = {}
    for name in _file_names(folder, _SPLIT_FILE):
        match = _SPLIT_FILE.fullmatch(name)
        word = match[1].lower() if match else ""
        split = word if word in ("train", "test") else "validation"
        if split in splits:
            raise ValueError(
                f"{folder} has two files for the split {split!r}, {splits[split].name} and {name}; leave one of them."
            )
        splits[split] = folder / name
    ordered = {split: FeatureFiles.single(splits[split]) for split in SPLITS if split in splits}
    return Layout(folder, splits=ordered) if ordered else None


def _find_whole(folder: Path, config: str) -> Layout | None:
    cells = ["coordinates_eu", "coordinates"] if config == "irle-gr" else ["coordinates", "coordinates_eu"]
    images = _field_file(folder, "images", ["images"])
    summaries = _field_file(folder, "summaries", ["summaries_bert", "summaries"])
    classes = _field_file(folder, "classes", ["classes_bert", "classes"])
    if images is None or summaries is None:
        return None
    return Layout(folder, whole=FeatureFiles(images, summaries, classes, _field_file(folder, "coordinates", cells)))


def _field_file(folder: Path, name: str, stems: list[str]) -> Path | None:
    candidates = [place / f"{stem}.h5" for stem in stems for place in (folder / name, folder)]
    return next((path for path in candidates if path.is_file()), None)


def _find_built(folder: Path, config: str) -> Layout | None:
    index = folder / INDEX
    return Layout(folder, built=index) if index.is_file() else None


def _find_rows(folder: Path, config: str) -> Layout | None:
    """Find ``train-00000-of-00001.parquet`` and its like, if their rows are those of the config."""
    for parent in (folder, folder / config, folder / "data"):
        names = _file_names(parent, _ROWS_FILE) if parent.is_dir() else []
        rows: dict[str, list[Path]] = {}
        for name in names:
            word = _ROWS_FILE.fullmatch(name)[1].lower()  # type: ignore[index]  # it has matched
            rows.setdefault(word if word in ("train", "test") else "validation", []).append(parent / name)
        if rows and _kind_of(read_schema(next(iter(rows.values()))[0])) == config.removesuffix("-gr"):
            return Layout(folder, rows={split: rows[split] for split in SPLITS if split in rows})
    return None


def _kind_of(schema: pa.Schema) -> str | None:
    """Tell the config that rows with such columns belong to; None if they are no rows of ``mlm``."""
    if "entity_id" not in schema.names or not {"images", "image_features"} & set(schema.names):
        return None
    if "summaries" in schema.names and pa.types.is_list(schema.field("summaries").type):
        return "archive"
    return "irle" if "geo_cell" in schema.names else "mlm"


def _find_raw(folder: Path, config: str) -> Layout | None:
    parts = [folder, *(child for child in _subfolders(folder) if _RAW_FOLDER.fullmatch(child.name))]
    paths = [part / name for part in sorted(parts, key=lambda part: _natural(part.name)) for name in _raw_names(part)]
    return Layout(folder, raw=tuple(RawFile(path, _image_folder(path)) for path in paths)) if paths else None


def _raw_names(folder: Path) -> list[str]:
    return _file_names(folder, _RAW_FILE)


def _image_folder(path: Path) -> Path:
    number = re.search(r"\d+$", path.stem)
    named = [f"images_{number[0]}"] if number else []
    candidates = [path.parent / name for name in (*named, "images")] + [path.parent.parent / name for name in named]
    return next((folder for folder in candidates if folder.is_dir()), path.parent)


def _nothing_found(root: Path, config: str) -> str:
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries)
    there = ", ".join(names[:8]) + (" …" if len(names) > 8 else "") if names else "nothing"
    raw = "MLM_1/MLM_1.json … with images_1/ … beside each (raw)"
    features = "train.h5, val.h5, test.h5 or images/images.h5 … (features), a folder that `hf-mlm data convert` wrote"
    expected = f"{raw}; 'irle' and 'irle-gr' read features" if config == "mlm" else f"{features}, or {raw}"
    return f"{root} holds nothing that the config {config!r} reads. Expected: {expected}. There is: {there}."


ROWS_PER_SHARD = 4096


class FeatureShard(Protocol):
    """Feature rows that one process reads in a go."""

    def __len__(self) -> int: ...

    def tables(self) -> Iterator[pa.Table]:
        """Read the rows, some hundred at a time, with the columns of the source's spec."""
        ...


@dataclass(frozen=True)
class FeatureSource:
    """Feature rows by split.

    Attributes:
        spec: what all rows have in common.
        splits: shards of each split that has rows, in the order of the source.
    """

    spec: FeatureSpec
    splits: dict[str, Sequence[FeatureShard]]


def open_features(
    layout: Layout, dtype: str = "float32", seed: int = 0, rows_per_shard: int = ROWS_PER_SHARD
) -> FeatureSource:
    """Plan how to read the features of a layout; nothing but ids and the first entity of each file is read.

    Args:
        layout: what was found; it has features.
        dtype: type of the vectors.
        seed: of the split, where the files are not divided.
        rows_per_shard: the most rows that one process reads in a go; the shards of Parquet files are what they are.

    Returns:
        the shards by split.

    Raises:
        ValueError: if a file is damaged, an entity occurs twice, files do not belong together, or there are no rows.
    """
    if layout.parquet:
        spec, parquet = open_manifest(layout.parquet, dtype)
        return FeatureSource(spec, {split: shards for split, shards in parquet.items() if shards})
    spec, ids = _read_ids(layout, seed)
    check_unique(np.concatenate(list(ids.values())).tolist(), f"{layout.folder}, all splits together")
    splits: dict[str, Sequence[FeatureShard]] = {
        split: [
            HDF5Shard(layout.splits.get(split) or _whole(layout), part, spec, dtype)
            for part in np.split(rows, range(rows_per_shard, len(rows), rows_per_shard))
        ]
        for split, rows in ids.items()
        if len(rows)
    }
    return FeatureSource(spec, splits)


def _read_ids(layout: Layout, seed: int) -> tuple[FeatureSpec, dict[str, NDArray[np.int64]]]:
    specs: dict[str, FeatureSpec] = {}
    ids: dict[str, NDArray[np.int64]] = {}
    numbered = False
    for split, files in layout.splits.items() or [("all", _whole(layout))]:
        with FeatureReader(files) as reader:
            ids[split] = reader.ids
            if len(reader.ids):
                specs[str(files.images)] = reader.spec
                numbered |= reader.cells_are_numbers
    if not specs:
        raise ValueError(f"the files in {layout.folder} hold no entity at all; fetch them again.")
    if numbered:  # the largest number of any split tells how many cells there are
        cells = max(spec.num_cells for spec in specs.values())
        specs = {name: replace(spec, num_cells=cells) for name, spec in specs.items()}
    if "all" in ids:
        assigned = hash_split(ids["all"].tolist(), seed=seed)
        ids = {split: ids["all"][assigned == index] for index, split in enumerate(SPLITS)}
    return common_spec(specs), ids


def _whole(layout: Layout) -> FeatureFiles:
    if layout.whole is None:
        raise ValueError(f"{layout.folder} holds no features; only features are read here.")
    return layout.whole
