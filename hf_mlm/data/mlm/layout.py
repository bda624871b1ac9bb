"""Finds out what a folder holds: Parquet of ours, the authors' HDF5 (final, pilot, intermediate) or raw JSON."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from hf_mlm.data.mlm.built_rows import INDEX
from hf_mlm.data.mlm.hdf5 import FeatureFiles
from hf_mlm.data.mlm.raw_json import RawFile
from hf_mlm.data.splits import SPLITS


MANIFEST = "mlm_features.json"
_SPLIT_FILE = re.compile(r"(?:.*[_-])?(train|val|valid|validation|test)(?:[_-].*)?\.(?:h5|hdf5)", re.IGNORECASE)
_RAW_FILE = re.compile(r"MLM.*\.json", re.IGNORECASE)
_RAW_FOLDER = re.compile(r"MLM_\d+", re.IGNORECASE)
_DEPTH = 2


@dataclass(frozen=True)
class Layout:
    """What was found; exactly one of ``parquet``, ``splits``, ``whole``, ``built`` and ``raw`` is set.

    Attributes:
        folder: where it lies.
        parquet: manifest of a conversion.
        splits: feature files by split, as the authors divided them.
        whole: feature files of one field each, not divided.
        built: index of raw rows in Parquet, as `hf-mlm build mlm` writes them.
        raw: JSON files with their images, not divided.
    """

    folder: Path
    parquet: Path | None = None
    splits: dict[str, FeatureFiles] = field(default_factory=dict)
    whole: FeatureFiles | None = None
    built: Path | None = None
    raw: tuple[RawFile, ...] = ()

    @property
    def files(self) -> list[Path]:
        """The few main files, whose sizes and times tell whether anything changed."""
        features = [*self.splits.values(), *filter(None, [self.whole])]
        paths = [path for files in features for path in files.paths] + [file.path for file in self.raw]
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
            sets by the names of their folders.

    Returns:
        what was found; folders of images are never listed.

    Raises:
        FileNotFoundError: if there is no such folder, or nothing known in it.
        ValueError: if several sets, or several files of one split, are there to choose from.
    """
    root = Path(data_dir).expanduser().absolute()
    if not root.is_dir():
        raise FileNotFoundError(f"data_dir {str(data_dir)!r} is not a folder; give the folder that holds MLM's files.")
    features = () if config == "mlm" else (_find_parquet, _find_splits, _find_whole)
    finders = (*features, _find_built, _find_raw)
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
