"""Whether a folder holds the datasets and the splits that some runs need; nothing but names is read."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from hf_mlm.data.mmnerd.conll import Sentence, write_conll
from hf_mlm.data.mmnerd.layout import IMAGE_FOLDER, LANGUAGES, SPLIT_NAMES
from hf_mlm.data.splits import SPLITS
from hf_mlm.files import sha256_of
from hf_mlm.reproduce.experiments import Spec


NEEDED: dict[str, tuple[str, ...]] = {"count": (), "grid": ("train", "validation")}  # of other kinds, all splits


def missing_files(paper: str, specs: Sequence[Spec], data_dir: str) -> list[str]:
    """Say what a folder lacks, with the way out; datasets that lack the same share a sentence.

    Args:
        paper: ``"mlm"`` or ``"2m-ner"``.
        specs: what is to be run.
        data_dir: the folder.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for spec in specs:
        wanted[spec.dataset] = max(wanted.get(spec.dataset, ()), NEEDED.get(spec.kind, SPLITS), key=len)
    problems: dict[str, list[str]] = {}
    for dataset, splits in wanted.items():
        problem = _problem(paper, dataset, data_dir, splits)
        if problem:
            problems.setdefault(problem, []).append(dataset)
    return [f"{', '.join(datasets)}: {problem}" for problem, datasets in problems.items()]


def _problem(paper: str, dataset: str, data_dir: str, wanted: Sequence[str]) -> str | None:
    try:
        there = splits_in(paper, dataset, data_dir)
    except (ValueError, OSError) as error:
        return str(error)
    absent = [split for split in wanted if any(split not in found for found in there)]
    if not absent:
        return None
    return (
        f"{data_dir} has no split {' and no split '.join(absent)}, and the table needs {', '.join(wanted)}: add the "
        "files, or train on what there is by hf-mlm train."
    )


def splits_in(paper: str, dataset: str, data_dir: str) -> list[Collection[str]]:
    """List the splits that files are divided into, once for each language; empty where the package divides them.

    Args:
        paper: ``"mlm"`` or ``"2m-ner"``.
        dataset: configuration of ``mlm`` or ``mmnerd``.
        data_dir: the folder.

    Raises:
        FileNotFoundError: if there is no such folder, or no such dataset in it.
        ValueError: if there are several to choose from, or a conversion cannot be read.
    """
    from hf_mlm.data.mlm.builder import MLMConfig
    from hf_mlm.data.mlm.parquet import Manifest
    from hf_mlm.data.mmnerd.builder import MMNERDConfig

    if paper == "2m-ner":
        return list(MMNERDConfig(name=dataset, data_dir=data_dir).find().files.values())
    layout = MLMConfig(name=dataset, data_dir=data_dir).find()
    if layout.parquet:
        return [Manifest.load(layout.parquet).planned]
    return [layout.splits] if layout.splits else []


WHOLE = 64 * 2**20  # bytes up to which a file is known by its contents, and beyond by size and time
GENERATED = "generated"


def fingerprint(data_dir: str | os.PathLike[str] | None) -> str:
    """Name the state of a dataset's files.

    Args:
        data_dir: their folder; None stands for data that the package generates.

    Returns:
        16 hexadecimal digits of the relative names and contents of all files (of images and of files above 64 MiB:
        names, sizes, and of the latter the time), or ``"generated"``.

    Raises:
        FileNotFoundError: if there is no such folder.
    """
    if data_dir is None:
        return GENERATED
    root = Path(data_dir).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"data_dir {str(data_dir)!r} is not a folder; give the folder that holds the dataset.")
    digest = hashlib.sha256()
    for path in sorted(_files(root)):
        digest.update(f"{path.relative_to(root).as_posix()}:{_state(path)};".encode())
    return digest.hexdigest()[:16]


def demo_tree(folder: Path, places: int) -> Path:
    """Lay the generated sentences of ``load_dataset("mmnerd", "demo")`` out as the authors lay out MMNERD.

    So every language and pair of the paper can be loaded by its own name. A tree that is there is taken as it is.

    Args:
        folder: that will hold it.
        places: of the captioned world, each in one sentence of four languages.

    Returns:
        The tree, to be passed as ``data_dir``.

    Raises:
        ImportError: if a package of the extra ``demo`` is missing.
    """
    from hf_mlm.world.captions import CaptionedWorld

    target = folder / f"mmnerd-{places}"
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    world = CaptionedWorld(places)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as scratch:
        tree = Path(scratch, "tree")
        (tree / IMAGE_FOLDER).mkdir(parents=True)
        for word, split in SPLIT_NAMES.items():
            _write_split(tree, word, list(world.rows(split)))
        put(tree, target)
    return target


def put(tree: Path, target: Path) -> None:
    """Move a tree in its place, unless another command was faster, whose tree is the same.

    Args:
        tree: complete.
        target: its place, on the same disk.

    Raises:
        OSError: if it cannot be moved, and there is none.
    """
    try:
        os.replace(tree, target)
    except OSError:
        if not target.is_dir():
            raise


def _write_split(tree: Path, word: str, rows: list[dict]) -> None:
    for language in LANGUAGES:
        place = tree / f"train_valid_test_{language}"
        place.mkdir(exist_ok=True)
        write_conll(place / f"{word}_conll_format.txt", _sentences(row for row in rows if row["language"] == language))
    for row in rows:
        (tree / IMAGE_FOLDER / f"{row['image_id']}.jpg").write_bytes(row["image"]["bytes"])


def _sentences(rows: Iterable[dict]) -> Iterator[Sentence]:
    return (Sentence(row["tokens"], row["tags"], row["image_id"]) for row in rows)


def _files(root: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _state(path: Path) -> str:
    stat = path.stat()
    if path.parent.name == IMAGE_FOLDER or path.suffix.lower() in (".jpg", ".jpeg", ".png"):
        return str(stat.st_size)
    if stat.st_size > WHOLE:
        return f"{stat.st_size}:{stat.st_mtime_ns}"
    return sha256_of(path)
