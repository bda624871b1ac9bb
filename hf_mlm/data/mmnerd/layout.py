"""Layout of MMNERD: its files in the authors' tree, in a folder of one language, or below either."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


LANGUAGES = ("en", "de", "fr", "es")
IMAGE_FOLDER = "twitter_and_image_caption_images"
SPLIT_NAMES = {"train": "train", "valid": "validation", "test": "test"}

_DEPTH = 3
_SPLIT_FILE = re.compile(rf"({'|'.join(SPLIT_NAMES)})_conll_format\.txt(?:\.gz)?")
_COMBINATION = re.compile(r".*(_plus_|all_lang).*", re.IGNORECASE)  # the authors' mixtures of languages


@dataclass(frozen=True)
class MMNERDLayout:
    """Files of MMNERD.

    Attributes:
        files: language -> split -> file.
        images: the folder of images, or None.
    """

    files: dict[str, dict[str, Path]]
    images: Path | None

    def stamp(self) -> str:
        """Give names, sizes and times of the files, and the time of the folder of images: a mark of the contents."""
        paths = [path for splits in self.files.values() for path in splits.values()]
        stats = [(str(path), path.stat()) for path in [*paths, *filter(None, [self.images])]]
        return "|".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats)


def find_mmnerd(data_dir: str | os.PathLike[str], languages: Sequence[str]) -> MMNERDLayout:
    """Find the files of languages in a folder and up to three levels below it.

    A folder of split files belongs to the language at the end of its name, ``train_valid_test_fr``. A folder whose
    name tells none serves as any one language. The authors' mixtures (``…_en_plus_de``) are passed over.

    Args:
        data_dir: the folder.
        languages: BCP-47 codes.

    Returns:
        The files; the folder of images is never listed.

    Raises:
        FileNotFoundError: if there is no such folder, or nothing in it for one of the languages.
        ValueError: if there are several folders to choose from for one language.
    """
    root = Path(data_dir).expanduser().absolute()
    if not root.is_dir():
        raise FileNotFoundError(f"data_dir {str(data_dir)!r} is not a folder; give the folder that holds MMNERD.")
    images = next((path for path in _folders(root) if path.name == IMAGE_FOLDER), None)
    found = _split_folders(root)
    return MMNERDLayout({language: _choose(root, found, language, len(languages)) for language in languages}, images)


def are_by_language(files: Mapping[str, Any]) -> bool:
    """Tell whether files are named language by language, and not split by split.

    Example:
        >>> are_by_language({"hi": {"train": "a.txt"}}), are_by_language({"train": "a.txt"}), are_by_language({})
        (True, False, False)
    """
    return bool(files) and all(isinstance(splits, Mapping) for splits in files.values())


def languages_in(data_dir: str | os.PathLike[str]) -> list[str]:
    """List the languages among ``LANGUAGES`` that names of folders with split files tell."""
    found = {_language(folder) for folder, _ in _split_folders(Path(data_dir).expanduser().absolute())}
    return [language for language in LANGUAGES if language in found]


def _split_folders(root: Path) -> list[tuple[Path, dict[str, Path]]]:
    """List the folders of split files, with these, without the authors' mixtures."""
    folders = [path for path in _folders(root) if path.name != IMAGE_FOLDER and not _COMBINATION.fullmatch(path.name)]
    return [(path, splits) for path in folders if (splits := _split_files(path))]


def _folders(root: Path) -> Iterator[Path]:
    """Give the folder and those below it, level by level; nothing below a folder of images."""
    level = [root]
    for depth in range(_DEPTH + 1):
        yield from level
        inner = [folder for folder in level if folder.name != IMAGE_FOLDER]
        level = [child for folder in inner for child in _subfolders(folder)] if depth < _DEPTH else []


def _subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    return [folder / name for name in names]


def _split_files(folder: Path) -> dict[str, Path]:
    """Map splits to files, in the order of ``SPLIT_NAMES``; of a file and its archive, the file is taken."""
    with os.scandir(folder) as entries:
        names = sorted((entry.name for entry in entries if _SPLIT_FILE.fullmatch(entry.name)), reverse=True)
    files = {name.partition("_")[0]: folder / name for name in names}
    return {split: files[word] for word, split in SPLIT_NAMES.items() if word in files}


def _choose(root: Path, found: list[tuple[Path, dict[str, Path]]], language: str, wanted: int) -> dict[str, Path]:
    told = [_language(folder, language) for folder, _ in found]
    named = [part for part, its in zip(found, told, strict=True) if its == language.lower()]
    unnamed = [part for part, its in zip(found, told, strict=True) if its is None]
    fitting = named or (unnamed if wanted == 1 else [])
    if len(fitting) > 1:
        folders = ", ".join(str(folder) for folder, _ in fitting)
        raise ValueError(f"language {language!r} has several folders ({folders}); give one of them as data_dir.")
    if not fitting:
        there = ", ".join(str(folder.relative_to(root.parent)) for folder, _ in found) or "no such folder"
        raise FileNotFoundError(
            f"{root} holds no files of language {language!r}. Expected: train_valid_test_{language}/ with "
            "train_conll_format.txt, valid_conll_format.txt and test_conll_format.txt or some of them (plain or .gz), "
            f"in it or below it; for a single language the files themselves will do. There is: {there}."
        )
    return fitting[0][1]


def _language(folder: Path, *others: str) -> str | None:
    """Read the language at the end of a folder's name: one of ``LANGUAGES``, or of others."""
    codes = "|".join(map(re.escape, (*LANGUAGES, *others)))
    match = re.fullmatch(rf"(?:.*[_-])?({codes})", folder.name, re.IGNORECASE)
    return match[1].lower() if match else None
